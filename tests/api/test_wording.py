"""What is wrong with a value is told in plain words, once for each value."""

from __future__ import annotations

from typing import Any

import pytest

from botplatform.bots.models import Bot
from tests.api.caller import Caller
from tests.factories import make_node

pytestmark = pytest.mark.django_db
NODES = "/bots/acme/nodes"
NODE = {"name": "n", "url": "https://x.example/"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "detail"),
    [
        ("POST", "/bots", [], "body", "Send an object."),
        ("POST", "/bots", {}, "slug", "This is missing."),
        ("POST", "/bots", {"slug": "x", "owner": "me"}, "owner", "There is no such field."),
        ("POST", NODES, {**NODE, "slug": "A b"}, "slug", "lower-case letters and digits"),
        ("POST", NODES, {**NODE, "method": "BREW"}, "method", "'GET'"),
        ("POST", NODES, {**NODE, "method": "{{a}}b"}, "method", "or one {{variable}}."),
        ("POST", NODES, {**NODE, "timeout_s": 61}, "timeout_s", "Send at most 60."),
        ("POST", NODES, {**NODE, "headers": {"X-A": 5}}, "headers.X-A", "Send text."),
        ("POST", f"{NODES}/pay/invoke", {"variables": {"a": {}}}, "variables.a", "Send text, or a whole number"),
        ("POST", f"{NODES}/pay/invoke", {"variables": []}, "variables", "Send an object."),
        ("POST", f"{NODES}/pay/test?version=x", None, "version", "Send 'staged', or a whole number."),
        ("GET", f"{NODES}?limit=x", None, "limit", "Send a whole number."),
    ],
)
def test_plain_words(call: Caller, bot: Bot, method: str, path: str, body: Any, field: str, detail: str) -> None:
    make_node(bot, "pay")
    answer = call(method, path, body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert detail in error["detail"]
