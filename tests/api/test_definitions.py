"""Import of a bot definition over the HTTP API."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from tests.api.caller import Caller, caller_of
from tests.servicenodes.definitions.exports import as_bytes, component, definition, end_point, export

pytestmark = pytest.mark.django_db
ROUTE = "/bots/acme/definition"


def test_check_then_import_then_again(call: Caller, bot: Bot) -> None:
    files = export(component(), component("Else", endPoint=end_point("{{context.base}}/x")))
    checked = call.upload(ROUTE, {"files": files, "check": "true"})
    assert checked.status_code == 200, checked.content
    assert not ServiceNode.objects.exists()
    made = call.upload(ROUTE, {"files": files}).json()
    assert {**checked.json(), "checked": False} == made
    assert (made["created"], made["needs_url"]) == (
        ["acme/accounts-getbalance", "acme/accounts-else"],
        ["acme/accounts-else"],
    )
    assert made["nodes"][0] == {
        "node": "acme/accounts-getbalance",
        "title": "Accounts / GetBalance",
        "method": "GET",
        "url": "https://api.bank.example/balance",
        "exported_url": "",
        "certificate": None,
        "rule": "none",
        "hindrance": "",
    }
    again = call.upload(ROUTE, {"files": files}).json()
    assert [row["node"] for row in again["nodes"]] == made["created"]
    assert (again["changed"], again["unchanged"]) == (False, made["created"])
    node = call("GET", "/bots/acme/nodes/accounts-else").json()
    assert (node["url"], node["exported_url"]) == ("", "{{context_base}}/x")
    call_it = call("POST", "/bots/acme/nodes/accounts-else/invoke", {"variables": {}})
    assert (call_it.status_code, call_it.json()["code"]) == (422, "url_missing")
    test_it = call("POST", "/bots/acme/nodes/accounts-else/test", {})
    assert (test_it.status_code, test_it.json()["code"]) == (422, "url_missing")


def test_what_is_refused(call: Caller, viewer: User, bot: Bot, other_bot: Bot, owner: User) -> None:
    for content in (b"", b"{}", b"PK\x03\x04broken", as_bytes(definition(component("a\0b")))):
        answer = call.upload(ROUTE, {"files": content})
        assert (answer.status_code, answer.json()["code"]) == (422, "definition_unreadable"), answer.content
    assert call.upload(ROUTE, {}).status_code == 422
    assert call("POST", ROUTE, {}).status_code == 415
    files = export(component())
    assert caller_of(viewer, bot).upload(ROUTE, {"files": files}).status_code == 403
    foreign = caller_of(owner, bot).upload("/bots/globex/definition", {"files": files})
    missing = caller_of(owner, bot).upload("/bots/nobody/definition", {"files": files})
    assert foreign.status_code == missing.status_code == 404
    assert not ServiceNode.objects.exists()


def test_an_export_may_be_larger_than_a_certificate_and_is_bounded_too(call: Caller, bot: Bot) -> None:
    padded = as_bytes(definition(component(), sentences="x" * 5_000_000))
    answer = call.upload(ROUTE, {"files": SimpleUploadedFile("botDefinition.json", padded)})
    assert (answer.status_code, answer.json()["created"]) == (200, ["acme/accounts-getbalance"])
    large = call.upload(ROUTE, {"files": b"x" * (9 * 1024 * 1024)})
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert call.upload("/bots/acme/certificates", {"name": "a", "files": padded}).status_code == 413
    assert call("POST", ROUTE, {"x": "y" * 5_000_000}).status_code == 413
