"""Renewals that are promoted by themselves, and those that stay staged and say why. Real servers."""

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
from botplatform.notifications.models import Delivery
from certificates.issuer_models import RenewalPolicy
from certificates.models import ClientCertificate
from certificates.services.rotation import promote, retire
from servicenodes.models import ConnectionTest, Proof, ServiceNode
from servicenodes.services.auto_promoting import NO_NODE, NO_PROOF, promote_proven
from tests.servicenodes.services.proving import Banks, banks, version, work

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


def renewed(both: Banks, bot: Bot, *, auto_promote: bool = True) -> ClientCertificate:
    """As a renewal leaves it: version 2 is staged."""
    certificate = both.renewed(bot)
    staged = certificate.versions.get(number=2)
    RenewalPolicy.objects.create(certificate=certificate, auto_promote=auto_promote, staged=staged)
    return certificate


def active(certificate: ClientCertificate) -> int:
    return certificate.versions.get(status="active").number


def standing() -> str:
    return RenewalPolicy.objects.get().standing


def test_all_green_is_promoted_and_told(both: Banks, bot: Bot, manager: User) -> None:
    User.objects.filter(pk=manager.pk).update(email="manager@bank.example")
    certificate = renewed(both, bot)
    both.node(bot, "quick", both.quick, certificate)
    assert promote_proven() == 0, "first it is compared"
    assert promote_proven() == 0, "which takes a while"
    assert Proof.objects.count() == 1
    work()
    assert promote_proven() == 1
    assert active(certificate) == 2
    policy = RenewalPolicy.objects.get()
    assert (policy.staged, policy.standing) == (None, "")
    told = Delivery.objects.get(event="certificate.promoted", recipient="manager@bank.example")
    assert told.title == f"{certificate.path}: version 2 was promoted by itself"
    event = AuditEvent.objects.get(action="version.promoted")
    assert (event.actor_name, event.facts["proof"]) == (
        "platform",
        "1 service node tested: none would fail with the next version.",
    )
    assert promote_proven() == 0


def test_one_that_crashes_stops_no_other(both: Banks, bot: Bot, other_bot: Bot) -> None:
    broken, fine = renewed(both, bot), renewed(both, other_bot)
    both.node(bot, "quick", both.quick, broken)
    both.node(other_bot, "quick", both.quick, fine)
    promote_proven()
    work()
    ConnectionTest.objects.filter(node__bot=bot).update(verdict="no-such")  # as nobody foresaw
    assert promote_proven() == 1
    assert (active(broken), active(fine)) == (1, 2)
    said = RenewalPolicy.objects.get(certificate=broken).standing
    assert said == "The promotion stopped at an error of the console itself (ValueError); its log has the details."


def test_what_changes_more_than_a_renewal_does_waits_for_a_person(both: Banks, bot: Bot) -> None:
    certificate = renewed(both, bot)
    told = {"code": "subject_changed", "severity": "warning", "text": "two.example: its subject is another."}
    certificate.versions.filter(number=2).update(findings=[told])
    both.node(bot, "quick", both.quick, certificate)
    promote_proven()
    work()
    assert promote_proven() == 0
    assert active(certificate) == 1
    assert standing() == f"All tests are green, but look at it before you promote it: {told['text']}"


def test_one_that_would_fail_keeps_it_staged_until_it_follows(both: Banks, bot: Bot) -> None:
    certificate = renewed(both, bot)
    both.node(bot, "quick", both.quick, certificate)
    slow = both.node(bot, "slow", both.slow, certificate)
    promote_proven()
    work()
    for _ in range(2):
        assert promote_proven() == 0
    assert active(certificate) == 1
    assert standing() == ("Not promoted: Of 2 service nodes, 1 would stop working, 1 works with the next version.")
    assert Proof.objects.count() == 1, "not asked again and again"
    ServiceNode.objects.filter(pk=slow.pk).update(url=both.quick.url)  # the backend followed
    with time_machine.travel(timezone.now() + timedelta(hours=7)):
        promote_proven()
        assert Proof.objects.count() == 2
        work()
        assert promote_proven() == 1
    assert active(certificate) == 2


def test_without_a_node_nothing_is_proven(both: Banks, bot: Bot) -> None:
    certificate = renewed(both, bot)
    assert promote_proven() == 0
    assert (active(certificate), standing()) == (1, NO_NODE)
    assert not Proof.objects.exists()


def test_servers_that_do_not_ask_prove_nothing(both: Banks, bot: Bot) -> None:
    certificate = renewed(both, bot)
    node = both.node(bot, "quick", both.quick, certificate)
    promote_proven()
    ConnectionTest.objects.filter(node=node).update(
        verdict="not_requested", started_at=timezone.now(), finished_at=timezone.now()
    )
    assert promote_proven() == 0
    assert (active(certificate), standing()) == (1, NO_PROOF)


def test_only_if_somebody_chose_it(both: Banks, bot: Bot) -> None:
    certificate = renewed(both, bot, auto_promote=False)
    both.node(bot, "quick", both.quick, certificate)
    assert promote_proven() == 0
    assert not Proof.objects.exists()
    assert active(certificate) == 1


@pytest.mark.parametrize("act", ["promoted", "retired"])
def test_what_people_did_meanwhile_holds(both: Banks, bot: Bot, manager: User, act: str) -> None:
    certificate, actor = renewed(both, bot), Actor.of(manager)
    both.node(bot, "quick", both.quick, certificate)
    if act == "promoted":
        promote(actor=actor, certificate=certificate, force=True)
    else:
        retire(actor=actor, certificate=certificate, number=2)
    assert promote_proven() == 0
    assert not Proof.objects.filter(kind=Proof.Kind.COMPARISON).exists()
    assert RenewalPolicy.objects.get().staged is None
    assert version(certificate, 2).status == ("active" if act == "promoted" else "retired")
