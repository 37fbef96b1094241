"""Bots and service nodes over the HTTP API: the whole life, conditions, paging."""

from __future__ import annotations

from typing import Any

import pytest

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from tests.api.caller import Caller, caller_of
from tests.factories import make_bot, make_certificate, make_node, make_test, make_trust_store

pytestmark = pytest.mark.django_db
NODE = {"name": "Get balance", "url": "https://api.bank.example/balance"}


def test_the_life_of_a_bot(call: Caller) -> None:
    made = call("POST", "/bots", {"slug": "acme", "name": "Acme"})
    assert (made.status_code, made["Location"]) == (201, "/api/v1/bots/acme")
    read = call("GET", "/bots/acme")
    assert read.json() == made.json()
    assert read["ETag"] == made["ETag"]
    renamed = call("PATCH", "/bots/acme", {"name": "Acme 2"}, if_match=read["ETag"])
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Acme 2")
    assert renamed["ETag"] != read["ETag"]
    late = call("PATCH", "/bots/acme", {"name": "Acme 3"}, if_match=read["ETag"])
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert call("DELETE", "/bots/acme", if_match=read["ETag"]).status_code == 412
    assert call("PATCH", "/bots/acme", {"name": "Acme 3"}).status_code == 200
    assert call("DELETE", "/bots/acme").status_code == 204
    assert call("GET", "/bots/acme").status_code == 404
    actions = ["bot.created", "bot.changed", "bot.changed", "bot.deleted"]
    events = AuditEvent.objects.filter(action__startswith="bot.").order_by("position")
    assert [event.action for event in events] == actions
    assert call.token is not None
    assert {(event.actor_kind, event.actor_id) for event in events} == {("token", call.token.pk)}


def test_a_bot_that_owns_something_stays(call: Caller, bot: Bot) -> None:
    make_node(bot)
    answer = call("DELETE", "/bots/acme")
    assert answer.status_code == 409
    assert "still owns service nodes" in answer.json()["detail"]


def test_conflicts_and_shapes(call: Caller, bot: Bot) -> None:
    assert call("POST", "/bots", {"slug": "acme"}).status_code == 409
    wrong: tuple[Any, ...] = (
        {"slug": "Acme!"},
        {"slug": "x", "owner": "me"},
        {},
        [],
        "x",
        {"slug": 5},
        {"slug": "platform"},
    )
    for body in wrong:
        answer = call("POST", "/bots", body)
        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), body


def test_the_life_of_a_node(call: Caller, bot: Bot) -> None:
    make_certificate(bot, "api")
    make_trust_store(None, "roots")
    body = {**NODE, "certificate": "acme/api", "trust_store": "roots", "headers": {"X-Bank": "1"}, "timeout_s": 5}
    made = call("POST", "/bots/acme/nodes", body)
    assert made.status_code == 201, made.content
    assert made["Location"] == "/api/v1/bots/acme/nodes/get-balance"
    shown: dict[str, Any] = made.json()
    assert (shown["node"], shown["certificate"], shown["trust_store"]) == (
        "acme/get-balance",
        "acme/api",
        "platform/roots",
    )
    changed = call("PATCH", "/bots/acme/nodes/get-balance", {"method": "POST"}, if_match=made["ETag"])
    assert changed.json() == {**shown, "method": "POST", "revision": 2}
    assert call("PATCH", "/bots/acme/nodes/get-balance", {"method": "GET"}, if_match=made["ETag"]).status_code == 412
    for wrong in ({"name": None}, {"timeout_s": 61}, {"url": "http://x"}, {"colour": "red"}, {"method": "BREW"}):
        assert call("PATCH", "/bots/acme/nodes/get-balance", wrong).status_code == 422, wrong
    cleared = call("PATCH", "/bots/acme/nodes/get-balance", {"certificate": None, "trust_store": None})
    assert (cleared.json()["certificate"], cleared.json()["trust_store"]) == (None, None)
    assert call("DELETE", "/bots/acme/nodes/get-balance", if_match=made["ETag"]).status_code == 412
    assert call("DELETE", "/bots/acme/nodes/get-balance", if_match=cleared["ETag"]).status_code == 204
    assert not ServiceNode.objects.exists()


def test_a_header_is_named_as_it_was_sent(call: Caller, bot: Bot) -> None:
    make_node(bot, "pay")
    answer = call("PATCH", "/bots/acme/nodes/pay", {"sealed_headers": {"X-New": None}})
    assert (answer.status_code, answer.json()["field"]) == (422, "sealed_headers")
    assert "X-New" in answer.json()["detail"]


def test_attaching(call: Caller, bot: Bot) -> None:
    make_certificate(bot, "api")
    make_certificate(None, "default", is_default=True)
    node = make_node(bot, "pay")
    path = "/bots/acme/nodes/pay/certificate"
    effective = call("GET", "/bots/acme/nodes/pay/effective-certificate").json()
    assert (effective["certificate"], effective["rule"]) == ("platform/default", "platform")
    before = call("GET", "/bots/acme/nodes/pay")["ETag"]
    attached = call("PUT", path, {"certificate": "acme/api"}, if_match=before)
    assert (attached.status_code, attached.json()["certificate"]) == (200, "acme/api")
    assert call("PUT", path, {"certificate": "platform/default"}, if_match=before).status_code == 412
    assert call("DELETE", path, if_match=before).status_code == 412
    effective = call("GET", "/bots/acme/nodes/pay/effective-certificate").json()
    assert (effective["certificate"], effective["rule"], effective["version"]["number"]) == ("acme/api", "node", 1)
    assert call("DELETE", path, if_match=attached["ETag"]).json()["certificate"] is None
    assert AuditEvent.objects.filter(action="certificate.attached", object_id=str(node.pk)).count() == 1


def test_pages_neither_skip_nor_repeat(call: Caller, bot: Bot) -> None:
    slugs = [make_node(bot, f"node-{number:02}").slug for number in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = call("GET", f"/bots/acme/nodes?limit=3&cursor={cursor}").json()
        seen += [item["slug"] for item in answer["items"]]
        make_node(bot, f"a-{len(seen)}")  # before what was seen: no page shifts
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == slugs


def test_cursors_are_of_one_list(call: Caller, bot: Bot) -> None:
    for number in range(3):
        make_node(bot, f"node-{number}")
        make_bot()
    cursor = call("GET", "/bots?limit=1").json()["next"]
    for wrong in (cursor, "x", cursor[:-1], "%F0%9F%98%80"):
        answer = call("GET", f"/bots/acme/nodes?cursor={wrong}")
        assert (answer.status_code, answer.json()["field"]) == (422, "cursor")
    assert call("GET", "/bots/acme/nodes?limit=0").status_code == 422
    assert call("GET", "/bots/acme/nodes?limit=201").status_code == 422


def test_old_tests_page_by_time(call: Caller, bot: Bot) -> None:
    node = make_node(bot, "pay")
    made = [make_test(node, verdict="accepted", report={"x": 1}) for _ in range(3)]
    first = call("GET", "/bots/acme/nodes/pay/tests?limit=2").json()
    second = call("GET", f"/bots/acme/nodes/pay/tests?limit=2&cursor={first['next']}").json()
    ids = [item["id"] for item in (*first["items"], *second["items"])]
    assert ids == [str(test.pk) for test in reversed(made)]
    assert second["next"] is None


def test_the_trail_over_the_api(owner: User, administrator: User, bot: Bot, other_bot: Bot) -> None:
    of_owner, everywhere = caller_of(owner, bot), caller_of(administrator)
    of_owner("PATCH", "/bots/acme", {"name": "New"})
    everywhere("PATCH", "/bots/globex", {"name": "New"})
    seen = of_owner("GET", "/audit").json()["items"]
    assert {event["bot_id"] for event in seen} == {str(bot.pk)}
    assert len(everywhere("GET", "/audit?action=bot.changed").json()["items"]) == 2
    assert len(everywhere("GET", f"/audit?bot=acme&object_id={bot.pk}").json()["items"]) == 1
    assert everywhere("GET", "/audit?bot=platform&action=user.created").json()["items"] == []
    assert of_owner("GET", "/audit?bot=globex").content == of_owner("GET", "/audit?bot=nobody").content
    assert of_owner("GET", "/audit?action=x").status_code == 422
