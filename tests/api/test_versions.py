"""Promotion and rollback over the HTTP API."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from servicenodes.services.proving import compare_versions
from tests.api.caller import Caller, caller_of
from tests.certificates.services.test_rotation import EXPIRED, add, slot, statuses
from tests.factories import make_node

pytestmark = pytest.mark.django_db
BANK = "/bots/acme/certificates/bank"


def test_a_renewal_and_back(call: Caller, bot: Bot) -> None:
    slot(bot, "active", "staged")
    seen = call("GET", BANK)["ETag"]
    answer = call("POST", f"{BANK}/versions/2/promote", if_match=seen)
    told = answer.json()
    assert (answer.status_code, told["certificate"], told["was"]) == (200, "acme/bank", "staged")
    assert (told["version"]["number"], told["version"]["status"], told["active_before"]) == (2, "active", 1)
    assert (told["changed"], statuses()) == (True, ["retired", "active"])
    assert answer["ETag"] == call("GET", BANK)["ETag"] != seen
    assert call("POST", f"{BANK}/versions/2/promote").json()["changed"] is False
    late = call("POST", f"{BANK}/rollback", if_match=seen)
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    back = call("POST", f"{BANK}/rollback", if_match=answer["ETag"])
    assert (back.status_code, back.json()["version"]["number"], statuses()) == (200, 1, ["active", "retired"])
    nowhere = call("POST", f"{BANK}/rollback")
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "nothing_to_roll_back_to")
    assert nowhere["Content-Type"] == "application/problem+json"
    actions = list(AuditEvent.objects.filter(action__startswith="version.").values_list("action", "actor_kind"))
    assert actions == [("version.rolled_back", "token"), ("version.promoted", "token")]


def test_the_platforms(call: Caller) -> None:
    slot(None, "active", "staged")
    assert call("POST", "/platform/certificates/bank/versions/2/promote").json()["certificate"] == "platform/bank"
    assert call("POST", "/platform/certificates/bank/rollback").status_code == 200
    assert statuses() == ["active", "retired"]


def test_what_is_refused(call: Caller, bot: Bot) -> None:
    certificate = slot(bot, "active", "destroyed")
    add(certificate, 3, "staged", **EXPIRED)
    for number, status, code in ((2, 409, "wrong_status"), (3, 409, "expired"), (9, 404, "not_found")):
        answer = call("POST", f"{BANK}/versions/{number}/promote")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    for wrong in ("0", "x", "9" * 30):
        assert call("POST", f"{BANK}/versions/{wrong}/promote").status_code == 422
    assert call("POST", f"{BANK}/versions/3/promote?force=true").json()["changed"] is True
    assert AuditEvent.objects.get(action="version.promoted").facts["forced"] is True


def test_who_may(bot: Bot, other_bot: Bot, developer: User, manager: User) -> None:
    slot(bot, "retired", "active", "staged")
    slot(other_bot, "retired", "active", "staged")
    for path in ("versions/3/promote", "rollback"):
        assert caller_of(developer, bot)("POST", f"{BANK}/{path}").status_code == 403
        assert caller_of(manager, bot)("POST", f"/bots/globex/certificates/bank/{path}").status_code == 404
    assert caller_of(manager, bot)("POST", f"{BANK}/versions/3/promote").status_code == 200


def test_a_promotion_against_the_tests(call: Caller, bot: Bot, operator: Actor) -> None:
    certificate = slot(bot, "active", "staged")
    make_node(bot, certificate=certificate)
    compare_versions(actor=operator, certificate=certificate)
    refused = call("POST", f"{BANK}/versions/2/promote")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_proven")
    assert call("POST", f"{BANK}/versions/2/promote?reason=%20").status_code == 409
    assert call("POST", f"{BANK}/versions/2/promote?reason={'x' * 501}").status_code == 422
    done = call("POST", f"{BANK}/versions/2/promote?reason=The%20bank%20follows").json()
    assert (done["changed"], done["proof"]) == (True, "Not proven: 0 of 1 service node tested.")
    assert AuditEvent.objects.get(action="version.promoted").facts["reason"] == "The bank follows"


def test_the_fallback_window(call: Caller, bot: Bot) -> None:
    slot(bot, "retired", "active")
    assert (call("GET", BANK).json()["fallback_days"], call("GET", BANK).json()["fallback_until"]) == (0, None)
    changed = call("PATCH", BANK, {"fallback_days": 5}).json()
    assert (changed["fallback_days"], changed["fallback_until"] is None) == (5, False)
    assert call("PATCH", BANK, {"fallback_days": 0}).json()["fallback_until"] is None
    for wrong in (-1, 91, "x"):
        assert call("PATCH", BANK, {"fallback_days": wrong}).status_code == 422
