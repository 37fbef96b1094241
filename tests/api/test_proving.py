"""Comparisons and alarms over the HTTP API, against real banks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import SealedKey
from servicenodes.models import Alarm
from servicenodes.services import probing
from servicenodes.services.proving import RETEST_AFTER, start_due_proofs
from tests.api.caller import Caller, caller_of
from tests.factories import make_alarm, make_certificate, make_node
from tests.servicenodes.services.proving import Banks, banks, version, work

pytestmark = pytest.mark.django_db
BANK = "/bots/acme/certificates/bank"
COMPARISON = f"{BANK}/versions/2/comparison"


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


def test_compared_promoted_alarmed_and_back(both: Banks, bot: Bot, call: Caller, operator: Actor) -> None:
    certificate = both.renewed(bot)
    for slug, peer in (("slow", both.slow), ("quick", both.quick)):
        probing.test_now(actor=operator, node=both.node(bot, slug, peer, certificate))
    before = call("GET", COMPARISON).json()
    assert (before["requested_at"], before["finished"], before["green"]) == (None, False, False)
    started = call("POST", COMPARISON)
    assert (started.status_code, started.json()["finished"], started.json()["active"]) == (202, False, 1)
    again = call("POST", COMPARISON)
    assert (again.status_code, again.json()["code"]) == (409, "running")
    assert work() == 4
    told = call("GET", COMPARISON).json()
    assert (told["finished"], told["green"], told["counts"]) == (True, False, {"breaks": 1, "works": 1})
    slow, quick = told["nodes"]
    assert (slow["node"], slow["outcome"], slow["now"]["verdict"]) == ("acme/slow", "breaks", "accepted")
    assert (slow["next"]["verdict"], quick["outcome"]) == ("rejected", "works")
    report = call("GET", f"/bots/acme/nodes/slow/tests/{slow['next']['test']}").json()
    assert report["verdict"] == "rejected"

    assert call("POST", f"{BANK}/versions/2/promote").json()["code"] == "not_proven"
    assert call("POST", f"{BANK}/versions/2/promote?reason=The%20bank%20follows").status_code == 200
    with time_machine.travel(timezone.now() + RETEST_AFTER + timedelta(seconds=1), tick=True):
        start_due_proofs()
        work()
    (alarm,) = call("GET", "/bots/acme/alarms?open=true").json()["items"]
    assert (alarm["node"], alarm["certificate"], alarm["version"], alarm["before"]) == ("acme/slow", "acme/bank", 2, 1)
    back = call("POST", f"/bots/acme/alarms/{alarm['id']}/rollback")
    assert (back.status_code, back.json()["version"]["number"]) == (200, 1)
    assert call("GET", "/bots/acme/alarms?open=true").json()["items"] == []
    (closed,) = call("GET", "/bots/acme/alarms?open=false").json()["items"]
    assert closed["closed_how"] == "switched"
    late = call("POST", f"/bots/acme/alarms/{alarm['id']}/rollback")
    assert (late.status_code, late.json()["code"]) == (409, "conflict")


def test_nodes_that_the_token_does_not_see_have_no_name(
    bot: Bot, other_bot: Bot, administrator: User, both: Banks
) -> None:
    certificate = both.renewed(None)
    make_node(bot, "seen", certificate=certificate)
    make_node(other_bot, "hidden", certificate=certificate)
    everything, scoped = caller_of(administrator), caller_of(administrator, bot)
    path = "/platform/certificates/bank/versions/2/comparison"
    assert everything("POST", path).status_code == 202
    assert {row["node"] for row in everything("GET", path).json()["nodes"]} == {"acme/seen", "globex/hidden"}
    answer = scoped("GET", path)
    rows = {row["node"]: row for row in answer.json()["nodes"]}
    assert set(rows) == {"acme/seen", None}
    assert (rows[None]["now"], rows[None]["next"], rows[None]["outcome"]) == (None, None, "waiting")
    assert "globex" not in answer.content.decode()
    assert scoped("POST", path).status_code == 403


def test_what_has_no_comparison(bot: Bot, call: Caller) -> None:
    make_certificate(bot, "bank")
    assert call("POST", f"{BANK}/versions/1/comparison").status_code in {404, 409}
    for missing in (f"{BANK}/versions/9/comparison", "/bots/acme/certificates/no/versions/1/comparison"):
        assert call("GET", missing).status_code == 404


def test_an_alarm_is_closed_with_a_reason(both: Banks, bot: Bot, other_bot: Bot, call: Caller, viewer: User) -> None:
    certificate = both.renewed(bot)
    alarm = make_alarm(make_node(bot, "pay"), version(certificate, 2))
    path = f"/bots/acme/alarms/{alarm.pk}/close"
    assert caller_of(viewer, bot)("POST", path, {"reason": "Fine"}).status_code == 403
    assert call("POST", f"/bots/globex/alarms/{alarm.pk}/close", {"reason": "Fine"}).status_code == 404
    assert call("POST", path, {"reason": "  "}).status_code == 422
    done = call("POST", path, {"reason": "The bank follows"})
    assert (done.status_code, done.json()["closed_how"]) == (200, "by hand")
    assert Alarm.objects.get().reason == "The bank follows"
    assert call("POST", path, {"reason": "Again"}).status_code == 409


def test_retired_and_destroyed(both: Banks, bot: Bot, call: Caller) -> None:
    certificate = both.renewed(bot)
    make_node(bot, "pay", certificate=certificate)
    used = call("POST", f"{BANK}/versions/1/retire")
    assert (used.status_code, used.json()["code"]) == (409, "in_use")
    early = call("POST", f"{BANK}/versions/2/destroy")
    assert (early.status_code, early.json()["code"]) == (409, "wrong_status")
    seen = call("GET", BANK)["ETag"]
    done = call("POST", f"{BANK}/versions/2/retire", if_match=seen)
    assert (done.status_code, done.json()["was"], done.json()["version"]["status"]) == (200, "staged", "retired")
    assert call("POST", f"{BANK}/versions/2/destroy", if_match=seen).status_code == 412
    gone = call("POST", f"{BANK}/versions/2/destroy", if_match=done["ETag"]).json()
    assert (gone["changed"], gone["version"]["status"]) == (True, "destroyed")
    assert call("POST", f"{BANK}/versions/2/destroy").json()["changed"] is False
    assert SealedKey.objects.filter(version__certificate=certificate).count() == 1
    assert call("POST", f"{BANK}/versions/1/retire?force=true").json()["version"]["status"] == "retired"
    assert set(AuditEvent.objects.values_list("action", flat=True)) >= {"version.retired", "version.destroyed"}
