"""The pages that prove and promote a version, and the alarms after it: what they show, and what they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.notifications.models import Delivery
from certificates.models import ClientCertificate
from certificates.services.rotation import promote
from servicenodes import counters
from servicenodes.models import Alarm, ConnectionTest
from servicenodes.services.proofs import evidence_for
from servicenodes.services.proving import compare_versions
from servicenodes.views import promoting
from tests.certificates.services.test_rotation import add, slot, statuses
from tests.factories import make_node
from tests.servicenodes.services.proving import version
from tests.servicenodes.test_views_rotating import BANK, shown

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
PROMOTE = f"{BANK}versions/2/promote/"
TESTS = f"{BANK}versions/2/tests/"


def finish(side: str, verdict: str, reason: str = "") -> None:
    """As if a worker had finished these tests."""
    rows = ConnectionTest.objects.filter(side=side)
    rows.update(verdict=verdict, reason=reason, started_at=timezone.now(), finished_at=timezone.now())


def notes(answer: Any) -> list[str]:
    """The tones of the boxes on a page."""
    return re.findall(r'class="note tone-(\w+)"', answer.content.decode())


def said(answer: Any) -> list[tuple[str, str]]:
    """The messages on a page."""
    return [(message.level_tag, str(message)) for message in answer.context["messages"]]


@pytest.fixture
def certificate(bot: Bot) -> ClientCertificate:
    made = slot(bot, "active", "staged")
    make_node(bot, "balance", certificate=made)
    return made


def test_from_the_button_to_a_green_promotion(sign_in: SignIn, manager: User, certificate: ClientCertificate) -> None:
    client = sign_in(manager)
    words, _ = shown(client, PROMOTE)
    assert "It was not compared with the active version" in words
    assert "Test this version everywhere" in words
    assert "Promote all the same" in words
    page = client.post(f"{BANK}versions/2/compare/", follow=True).content.decode()
    assert "0 of 1 service node tested." in page
    assert "Promote without waiting for the tests" in page
    assert f'hx-get="{TESTS}"' in page
    assert "Test this version everywhere" not in page
    assert 'http-equiv="refresh"' in page, "without JavaScript it reloads itself"
    part = client.get(TESTS, headers={"HX-Request": "true"})
    assert ("<html" in part.content.decode(), part.headers.get("HX-Refresh")) == (False, None)
    finish("now", "accepted")
    finish("next", "accepted")
    part = client.get(TESTS, headers={"HX-Request": "true"})
    assert part["HX-Refresh"] == "true"
    assert "Works now and next." in part.content.decode()
    words, fields = shown(client, PROMOTE)
    assert "1 service node tested: none would fail" in words
    assert "all the same" not in words
    page = client.post(PROMOTE, fields, follow=True).content.decode()
    assert "Version 2 of acme/bank is active." in page
    assert statuses() == ["retired", "active"]


def test_a_red_one_takes_a_reason(sign_in: SignIn, manager: User, certificate: ClientCertificate) -> None:
    client = sign_in(manager)
    client.post(f"{BANK}versions/2/compare/")
    finish("now", "accepted")
    finish("next", "rejected", "unknown_ca_or_missing_intermediate")
    words, fields = shown(client, PROMOTE)
    assert "1 service node would stop working." in words
    assert "Works now, would not work next." in words
    assert "A service node accepts the active version and rejects this one" in words
    assert notes(client.get(PROMOTE)) == ["error", "error"]
    for reason in ("", "  ", "x" * 501):
        refused = client.post(PROMOTE, {**fields, "reason": reason})
        assert (refused.status_code, statuses()) == (422, ["active", "staged"])
    done = client.post(PROMOTE, {**fields, "reason": "The bank follows tonight"}, follow=True)
    assert statuses() == ["retired", "active"]
    assert AuditEvent.objects.get(action="version.promoted").facts["reason"] == "The bank follows tonight"
    assert said(done) == [
        (
            "error",
            (
                "Version 2 of acme/bank is active. Expected to fail with it: acme/balance. With version 1 they worked: "
                "roll back if their calls must go on."
            ),
        )
    ]


def test_what_the_version_changes_is_said_before_it_is_promoted(
    sign_in: SignIn, manager: User, certificate: ClientCertificate
) -> None:
    told = {"code": "subject_changed", "severity": "warning", "text": "two.example: its subject is another."}
    certificate.versions.filter(number=2).update(findings=[told])
    page = sign_in(manager).get(PROMOTE).content.decode()
    assert told["text"] in page
    page = sign_in(manager).get(BANK).content.decode()
    assert page.count('<details class="fold" open><summary>Findings at import</summary>') == 2, (
        "not the active one only"
    )


def test_a_reason_that_is_refused_can_be_shortened(
    sign_in: SignIn, manager: User, certificate: ClientCertificate
) -> None:
    client = sign_in(manager)
    assert "maxlength" not in client.get(PROMOTE).content.decode()
    reason = "x" * 501
    answer = client.post(PROMOTE, {"reason": reason, "state": certificate.state})
    assert answer.status_code == 422
    assert "The reason is longer than 500 characters." in answer.content.decode()
    assert reason in answer.content.decode()


def test_what_an_overtaken_comparison_says_is_not_said_of_today(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = slot(bot, "active", "staged", "retired")
    make_node(bot, "balance", certificate=certificate)
    client = sign_in(manager)
    client.post(f"{BANK}versions/2/compare/")
    finish("now", "accepted")
    finish("next", "rejected")
    promote(actor=Actor.of(manager), certificate=certificate, number=3, reason="x")
    words, fields = shown(client, PROMOTE)
    assert "Another version became active since the comparison. It said: 1 service node would stop working." in words
    assert ("accepts the active version" in words, notes(client.get(PROMOTE))) == (False, ["error"])
    ((level, text),) = said(client.post(PROMOTE, {**fields, "reason": "Now"}, follow=True))
    assert (level, "Expected to fail" in text, "It said:" in text) == ("warning", False, True)


def test_what_breaks_behind_a_fallback_window_and_in_other_bots(
    sign_in: SignIn, administrator: User, manager: User, bot: Bot, other_bot: Bot
) -> None:
    certificate = slot(None, "active", "staged")
    ClientCertificate.objects.update(fallback_days=3)
    for owner in (bot, bot, other_bot):
        make_node(owner, certificate=certificate)
    compare_versions(actor=Actor.of(administrator), certificate=certificate)
    finish("now", "accepted")
    finish("next", "rejected")
    evidence = evidence_for(version(certificate, 2), manager)
    assert promoting.broken_by(evidence).startswith("3 service nodes accept the active version and reject this one")
    assert promoting.named(evidence.breaking).endswith(" and 1 more")
    assert "globex" not in promoting.named(evidence.breaking)
    path = "/platform/certificates/bank/versions/2/promote/"
    client = sign_in(administrator)
    _, fields = shown(client, path)
    ((level, text),) = said(client.post(path, {**fields, "reason": "Now"}, follow=True))
    assert (level, "calls that they reject are made once more with version 1" in text) == ("error", True)


def test_an_unproven_one_is_amber(sign_in: SignIn, manager: User, certificate: ClientCertificate) -> None:
    client = sign_in(manager)
    assert notes(client.get(PROMOTE)) == ["warning"]
    client.post(f"{BANK}versions/2/compare/")
    finish("now", "network_error")
    finish("next", "network_error")
    _, fields = shown(client, PROMOTE)
    assert notes(client.get(PROMOTE)) == ["warning"]
    done = client.post(PROMOTE, {**fields, "reason": "The bank is shut"}, follow=True)
    text = "Version 2 of acme/bank is active. Not proven: 1 service node proved nothing."
    assert said(done) == [("warning", text)]


def test_nothing_that_uses_it_is_green(sign_in: SignIn, manager: User, bot: Bot) -> None:
    slot(bot, "active", "staged")
    words, fields = shown(sign_in(manager), PROMOTE)
    assert "nothing can break" in words
    sign_in(manager).post(PROMOTE, fields)
    assert statuses() == ["retired", "active"]


def test_who_may(
    sign_in: SignIn, developer: User, manager: User, other_bot: Bot, certificate: ClientCertificate
) -> None:
    page = sign_in(developer).get(TESTS)
    assert page.status_code == 200
    assert "Test this version everywhere" not in page.content.decode()
    assert sign_in(developer).get(PROMOTE).status_code == 403
    assert sign_in(developer).post(f"{BANK}versions/2/compare/").status_code == 403
    slot(other_bot, "active", "staged")
    for path in (TESTS, PROMOTE):
        assert sign_in(manager).get(path.replace("acme", "globex")).status_code == 404
        assert sign_in(manager).get(path.replace("/2/", "/7/")).status_code == 404
    assert sign_in(manager).post("/bots/globex/certificates/bank/versions/2/compare/").status_code == 404


def test_foreign_nodes_are_counted_and_not_named(
    sign_in: SignIn, developer: User, administrator: User, other_bot: Bot
) -> None:
    certificate = slot(None, "active", "staged")
    node = make_node(other_bot, "secret-node", certificate=certificate)
    compare_versions(actor=Actor.of(administrator), certificate=certificate)
    finish("now", "accepted")
    finish("next", "accepted")
    page = sign_in(developer).get("/platform/certificates/bank/versions/2/tests/").content.decode()
    assert "A node in a bot you may not open" in page
    assert "Works now and next." in page
    assert str(node.slug) not in page
    assert other_bot.slug not in page


@pytest.fixture
def alarm(certificate: ClientCertificate) -> Alarm:
    """A node that fails since version 2 was promoted."""
    sooner, later = version(certificate, 1), version(certificate, 2)
    certificate.versions.filter(pk=sooner.pk).update(status="retired", turn=1)
    certificate.versions.filter(pk=later.pk).update(status="active", turn=2)
    node = certificate.service_nodes.get()
    return Alarm.objects.create(
        node=node, version=later, before=sooner, verdict="rejected", summary="The bank does not know the CA."
    )


def test_an_alarm_stands_where_people_look(sign_in: SignIn, manager: User, viewer: User, alarm: Alarm) -> None:
    for path in ("/", BANK, "/bots/acme/nodes/balance/"):
        words = " ".join(re.sub(r"<[^>]+>", " ", sign_in(manager).get(path).content.decode()).split())
        assert "fails since version 2" in words, path
        assert "Roll back to version 1" in words, path
        assert "Roll back to version 1</button>" not in sign_in(viewer).get(path).content.decode(), path


def test_one_click_rolls_back(sign_in: SignIn, manager: User, alarm: Alarm) -> None:
    address = f"/bots/acme/nodes/balance/alarms/{alarm.pk}/rollback/"
    page = sign_in(manager).post(address, follow=True).content.decode()
    assert "Version 1 of acme/bank is active again." in page
    assert "Alarm</span>" not in page
    assert statuses() == ["active", "retired"]
    assert "Another version is active meanwhile" in sign_in(manager).post(address, follow=True).content.decode()


def test_closing_takes_a_reason(sign_in: SignIn, developer: User, viewer: User, stranger: User, alarm: Alarm) -> None:
    address = f"/bots/acme/nodes/balance/alarms/{alarm.pk}/close/"
    assert sign_in(viewer).get(address).status_code == 403
    assert sign_in(stranger).get(address).status_code == 404
    assert sign_in(developer).post(address.replace("close", "rollback")).status_code == 403
    client = sign_in(developer)
    assert client.post(address, {"reason": " "}).status_code == 422
    client.post(address, {"reason": "The bank is shut"})
    alarm.refresh_from_db()
    assert (alarm.closed_how, alarm.reason) == ("by hand", "The bank is shut")
    assert "closed already" in client.get(address).content.decode()
    assert not Delivery.objects.exists(), "only raising one tells people"


def test_the_fallback_window(sign_in: SignIn, manager: User, developer: User, certificate: ClientCertificate) -> None:
    address = f"{BANK}fallback/"
    assert sign_in(developer).get(address).status_code == 403
    client = sign_in(manager)
    assert "Off: a call that a server rejects fails." in client.get(BANK).content.decode()
    for wrong in ("", "-1", "91", "x"):
        assert client.post(address, {"fallback_days": wrong}).status_code == 422
    client.post(address, {"fallback_days": "3"})
    assert "Opens for 3 days with the next promotion." in client.get(BANK).content.decode()
    promote(actor=Actor.of(manager), certificate=certificate, reason="Trust me")
    page = client.get(BANK).content.decode()
    assert "calls that a server rejects are made once more" in page
    node = certificate.service_nodes.get()
    counters.count(node=node.pk, version=version(certificate, 1).pk, outcome=counters.FELL_BACK)
    counters.flush()
    words = re.sub(r"<[^>]+>", "", client.get(node.get_absolute_url()).content.decode())
    assert "1 call to version 1; last" in words


def test_what_is_not_to_be_promoted(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = slot(bot, "active", "destroyed")
    draft = add(certificate, 3, "draft", not_before=None, not_after=None)
    client = sign_in(manager)
    for number, status in ((1, "active"), (2, "destroyed")):
        page = client.get(f"{BANK}versions/{number}/promote/", follow=True).content.decode()
        assert f"Version {number} is {status}" in page
        assert client.get(f"{BANK}versions/{number}/tests/").status_code == 200
    for page in ("promote", "tests"):
        assert client.get(f"{BANK}versions/{draft.number}/{page}/").status_code == 404
