"""Every error is a problem document; tokens that open nothing; limits; and nothing that tells secrets."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import ApiToken, Bot
from tests.api.caller import Caller, caller_of, make_token
from tests.factories import make_bot, make_certificate, make_node, make_trust_store

pytestmark = pytest.mark.django_db
JSON = "application/json"


def assert_problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    assert {"type", "title", "status", "code", "detail"} <= document.keys()
    assert document["status"] == status
    assert code in {None, document["code"]}, document
    assert answer["Cache-Control"] == "no-store"
    return document


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", JSON, 400),
        (b"\xff\xfe", JSON, 400),
        (b'{"slug": "a", "slug": "b"}', JSON, 400),
        (b'{"slug": NaN}', JSON, 400),
        (b'{"slug": "a\\u0000"}', JSON, 400),
        (b'{"slug": "\\ud800"}', JSON, 400),
        (b'{"slug": ' + b"9" * 5000 + b"}", JSON, 400),
        (b'{"slug": 1e400}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b" ", JSON, 400),
        (b"null", JSON, 422),
        (b"{}", "text/plain", 415),
        (b"slug=a", "application/x-www-form-urlencoded", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
        (b"{}", "", 415),
        (b"{}", "application/json; charset=utf-16", 400),
        (b'{"name": "' + b"x" * 4_000_000 + b'"}', JSON, 413),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_bodies_that_cannot_be_read(call: Caller, content: bytes, content_type: str, status: int) -> None:
    assert_problem(call.send("POST", "/bots", content, content_type), status)


def test_uploads_that_cannot_be_read(call: Caller, bot: Bot) -> None:
    path = "/bots/acme/certificates"
    assert_problem(call.send("POST", path, b"{}", JSON), 415)
    assert_problem(call.send("POST", path, b"x", "multipart/form-data"), 400)
    assert_problem(call.upload(path, {"name": "api"}), 422, "invalid_input")
    assert_problem(call.upload(path, {"name": "API", "files": b"x"}), 422, "invalid_input")
    assert_problem(call.upload(path, {"name": "a\0", "files": b"x"}), 400)
    assert_problem(call.upload(path, {"name": "api", "files": b"x" * 300_000}), 422, "too_large")


def test_addresses_and_methods_that_do_not_exist(call: Caller, bot: Bot) -> None:
    missing = assert_problem(call("GET", "/bots/nobody"), 404, "not_found")
    for path in ("/nothing", "/", "/bots/acme/nodes/x/y/z", "/bots/a%00b"):
        answer = call("GET", path)
        assert answer.status_code in {404, 400}
        assert_problem(answer, answer.status_code)
    assert call("GET", "/nothing").json() == missing
    answer = call("PUT", "/bots")
    assert_problem(answer, 405)
    assert set(answer["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}


def test_head_is_answered_as_get_is(call: Caller, bot: Bot) -> None:
    get, head = call("GET", "/bots/acme"), call("HEAD", "/bots/acme")
    assert (head.status_code, head["ETag"], head["Content-Type"]) == (200, get["ETag"], get["Content-Type"])
    assert head.content == b""
    assert call("HEAD", "/bots/nobody").status_code == 404


def test_tokens_that_open_nothing(developer: User, bot: Bot, clock: time_machine.Traveller) -> None:
    _, text = make_token(developer, bot)
    bodies = set()
    for header in ("", "Bearer", "Bearer x", f"Basic {text}", f"Bearer {text}x", text, f"Bearer {text} x"):
        caller = Caller(None)
        caller.headers = {"Authorization": header} if header else {}
        answer = caller("GET", "/bots")
        assert_problem(answer, 401, "unauthorized")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        bodies.add(answer.content)
    holder = Caller(text)
    assert holder("GET", "/bots").status_code == 200
    clock.shift(timedelta(days=31))
    bodies.add(holder("GET", "/bots").content)
    clock.shift(timedelta(days=-31))
    ApiToken.objects.update(revoked_at=timezone.now())
    bodies.add(holder("GET", "/bots").content)
    ApiToken.objects.update(revoked_at=None)
    User.objects.filter(pk=developer.pk).update(is_active=False)
    bodies.add(holder("GET", "/bots").content)
    assert len(bodies) == 1  # nobody learns which of it was wrong


def test_a_session_is_not_a_token(administrator: User, client: Client) -> None:
    client.force_login(administrator)
    assert_problem(client.get("/api/v1/bots"), 401)
    assert_problem(client.post("/api/v1/bots", {"slug": "x"}), 401)


def test_use_is_shown(call: Caller) -> None:
    assert call.token is not None
    assert call.token.last_used_at is None
    call("GET", "/bots")
    call.token.refresh_from_db()
    assert call.token.last_used_at is not None


def test_calls_are_limited_per_token(administrator: User, call: Caller, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 3
    with time_machine.travel(timezone.now().replace(second=40), tick=False) as clock:
        assert [call("GET", "/bots").status_code for _ in range(3)] == [200] * 3
        answer = call("GET", "/bots")
        assert_problem(answer, 429, "too_many_calls")
        assert answer["Retry-After"] == "20"
        assert caller_of(administrator)("GET", "/bots").status_code == 200
        clock.shift(timedelta(seconds=20))
        assert call("GET", "/bots").status_code == 200
        settings.API_CALLS_PER_MINUTE = 0
        assert {call("GET", "/bots").status_code for _ in range(5)} == {200}


def test_failures_of_the_server(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    call.client.raise_request_exception = False

    def broken(*_args: object, **_kwargs: object) -> None:
        raise failure

    monkeypatch.setattr("botplatform.bots.api.page", broken)
    failure: Exception = RuntimeError("s3cret detail")
    assert "s3cret" not in str(assert_problem(call("GET", "/bots"), 500, "internal_error"))
    failure = OperationalError("database is locked")
    answer = call("GET", "/bots")
    assert_problem(answer, 503, "unavailable")
    assert int(answer["Retry-After"]) > 0


def test_a_token_is_in_no_log_report_or_row(
    call: Caller, bot: Bot, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    secret = call.headers["Authorization"].split("_", 2)[2]  # it may hold a “_” itself
    settings.DEBUG = True
    call.client.raise_request_exception = False
    with caplog.at_level(logging.DEBUG):
        make_node(bot, "pay")
        call("PATCH", "/bots/acme/nodes/pay", {"name": "x"})
        call("PATCH", "/bots/acme/nodes/pay", {"name": 1})
        monkeypatch.setattr("botplatform.bots.api.page", None)
        answers = [call("GET", "/bots").content, call("GET", "/nothing").content]
    rows = json.dumps([str(event.facts) + event.actor_name for event in AuditEvent.objects.all()])
    dump: list[str] = []

    class Collected:
        def write(self, text: str) -> None:
            dump.append(text)

    call_command("dumpdata", stdout=Collected())
    for sink in (caplog.text, rows, "".join(dump), *(answer.decode() for answer in answers)):
        assert secret not in sink


def test_foreign_and_missing_are_the_same_bytes(owner: User, bot: Bot, other_bot: Bot) -> None:
    """Every kind of foreign object in addresses."""
    call = caller_of(owner, bot)
    make_certificate(other_bot, "api")
    make_node(other_bot, "pay")
    make_node(bot, "mine")
    make_bot("initech")
    bodies = {
        call(method, path, body).content
        for of in ("globex", "nobody")
        for method, path, body in (
            ("GET", f"/bots/{of}", None),
            ("PATCH", f"/bots/{of}", {"name": "x"}),
            ("DELETE", f"/bots/{of}", None),
            ("GET", f"/bots/{of}/certificates/api", None),
            ("DELETE", f"/bots/{of}/certificates/api", None),
            ("GET", f"/bots/{of}/nodes", None),
            ("PATCH", f"/bots/{of}/nodes/pay", {"name": "x"}),
            ("POST", f"/bots/{of}/nodes/pay/test", None),
            ("POST", f"/bots/{of}/nodes/pay/invoke", {}),
            ("PUT", f"/bots/{of}/nodes/pay/certificate", {"certificate": "acme/api"}),
            ("GET", f"/audit?bot={of}", None),
            ("GET", "/bots/acme/nodes/pay", None),
            ("GET", "/bots/acme/certificates/api", None),
        )
    }
    assert len(bodies) == 1, bodies
    assert json.loads(bodies.pop())["status"] == 404


def test_foreign_and_missing_names_in_bodies_are_the_same_bytes(owner: User, bot: Bot, other_bot: Bot) -> None:
    """The address exists, so the answer is no 404: it names the field."""
    call = caller_of(owner, bot)
    make_certificate(other_bot, "api")
    make_trust_store(other_bot, "api")
    make_node(bot, "mine")
    node = {"name": "n", "url": "https://x.example/"}
    for field, method, path, body in (
        ("certificate", "PUT", "/bots/acme/nodes/mine/certificate", {}),
        ("certificate", "PATCH", "/bots/acme/nodes/mine", {}),
        ("trust_store", "PATCH", "/bots/acme/nodes/mine", {}),
        ("certificate", "POST", "/bots/acme/nodes", node),
    ):
        answers = [call(method, path, {**body, field: f"{of}/api"}) for of in ("globex", "nobody")]
        assert_problem(answers[0], 422, "unknown_name")
        assert answers[0].json()["field"] == field
        assert answers[0].content == answers[1].content
    answer = call("PUT", "/bots/acme/nodes/mine/certificate", {"certificate": "nope"})
    assert assert_problem(answer, 422)["field"] == "certificate"


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b'{"slug": "a", "slug": "b"}', "twice"), (b'{"slug": NaN}', "NaN"), (b"[" * 100_000, "deep"), (b"{", "JSON")],
)
def test_an_unreadable_body_is_told_why(call: Caller, content: bytes, cause: str) -> None:
    assert cause in assert_problem(call.send("POST", "/bots", content, JSON), 400)["detail"]


def test_a_body_that_is_too_large_is_told_the_limit(call: Caller) -> None:
    content = b'{"name": "' + b"x" * 4_000_000 + b'"}'
    detail = assert_problem(call.send("POST", "/bots", content, JSON), 413, "too_large")["detail"]
    assert "3072 KB" in detail
    assert "file" not in detail
