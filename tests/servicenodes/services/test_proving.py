"""A version proven on every node before it is promoted, and what a promotion without proof takes. Real servers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot, Membership
from botplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from certificates.models import ClientCertificate, VersionStatus
from certificates.services.rotation import destroy, promote, retire
from servicenodes.comparison import Outcome
from servicenodes.errors import TooManyTests
from servicenodes.models import ConnectionTest, Proof
from servicenodes.services import limits, probing, proving
from servicenodes.services.nodes import change_node
from servicenodes.services.proofs import Evidence, evidence_for
from servicenodes.services.proving import compare_versions
from servicenodes.services.requests import ProbeOptions
from tests.certificates.services.test_rotation import slot
from tests.factories import add_version, make_alarm, make_certificate, make_node
from tests.servers import python_server
from tests.servicenodes.services.proving import Banks, banks, version, work

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


def told(evidence: Evidence) -> dict[str, tuple[str, str, Outcome]]:
    """By node: the verdicts now and next, and the outcome."""
    return {
        row.node.slug: (
            row.now.verdict if row.now else "",
            row.next.verdict if row.next else "",
            row.difference.outcome,
        )
        for row in evidence.rows
    }


def test_a_renewal_by_another_ca(both: Banks, bot: Bot, manager: User) -> None:
    certificate, actor = both.renewed(bot), Actor.of(manager)
    for slug, peer in (("slow", both.slow), ("quick", both.quick), ("down", None)):
        both.node(bot, slug, peer, certificate)
    make_node(bot, "asking", url="", exported_url="{{context_base}}/x", certificate=certificate)  # nothing to test
    compare_versions(actor=actor, certificate=certificate)
    waiting = evidence_for(version(certificate, 2))
    assert (waiting.live, waiting.green, waiting.text) == (True, False, "0 of 3 service nodes tested.")
    assert set(DBTaskResult.objects.values_list("priority", flat=True)) == {-10}, "behind those somebody waits for"
    assert work() == 6
    evidence = evidence_for(version(certificate, 2))
    assert told(evidence) == {
        "slow": ("accepted", "rejected", Outcome.BREAKS),
        "quick": ("accepted", "accepted", Outcome.WORKS),
        "down": ("network_error", "network_error", Outcome.UNPROVEN),
    }
    assert [row.node.slug for row in evidence.rows] == ["slow", "down", "quick"], "what needs a person first"
    assert "does not trust the new CA yet" in evidence.rows[0].difference.text
    assert evidence.text == (
        "Of 3 service nodes, 1 would stop working, 1 proved nothing, 1 works with the next version."
    )
    presented = {test.report["client_certificate"]["version"] for test in ConnectionTest.objects.filter(side="next")}  # type: ignore[index]
    assert presented == {2}
    assert set(ConnectionTest.objects.filter(presented=True).values_list("node__slug", flat=True)) == {"slow", "quick"}
    assert {seen.subject.rpartition("=")[2] for seen in both.quick.recorded()} == {"one.example", "two.example"}
    compared = AuditEvent.objects.get(action="version.compared")
    assert compared.facts == {"version": 2, "active": 1, "tests": 6}
    assert AuditEvent.objects.filter(action="connection.tested").count() == 6
    assert verify_trail().ok


def test_only_the_test_with_the_active_version_counts_for_the_node(both: Banks, bot: Bot, operator: Actor) -> None:
    node = both.node(bot, "slow", both.slow, both.renewed(bot))
    compare_versions(actor=operator, certificate=ClientCertificate.objects.get())
    first, second = ConnectionTest.objects.order_by("side")
    for test in sorted((first, second), key=lambda test: test.side != "now"):  # the rejected one last
        probing.run_test(test.pk)
    node.refresh_from_db()
    assert node.last_verdict == "accepted"
    probing.test_now(actor=operator, node=node, options=ProbeOptions(version="staged"))
    node.refresh_from_db()
    assert node.last_verdict == "accepted", "a test of a staged version by command tells nothing of calls either"


def test_a_promotion_against_the_tests_takes_a_reason(both: Banks, bot: Bot, operator: Actor) -> None:
    certificate = both.renewed(bot)
    both.node(bot, "slow", both.slow, certificate)
    compare_versions(actor=operator, certificate=certificate)
    with pytest.raises(Conflict) as unfinished:
        promote(actor=operator, certificate=certificate)
    assert (unfinished.value.code, "0 of 1" in unfinished.value.text) == ("not_proven", True)
    work()
    for wrong in ("", "   "):
        with pytest.raises(Conflict) as refused:
            promote(actor=operator, certificate=certificate, reason=wrong)
        assert (refused.value.code, "would break calls" in refused.value.text) == ("not_proven", True)
    with pytest.raises(InvalidInput):
        promote(actor=operator, certificate=certificate, reason="x" * 501)
    done = promote(actor=operator, certificate=certificate, reason=" The bank adds our CA tonight ")
    assert done.proof == "Against the tests: 1 service node would stop working."
    facts = AuditEvent.objects.get(action="version.promoted").facts
    assert (facts["reason"], facts["proof"]) == ("The bank adds our CA tonight", done.proof)


def test_a_green_comparison_lets_it_pass_until_something_changes(both: Banks, bot: Bot, operator: Actor) -> None:
    certificate = both.renewed(bot)
    node = both.node(bot, "quick", both.quick, certificate)
    make_node(bot, "to-come", url="", exported_url="http://bank.example", certificate=certificate)  # not called yet
    compare_versions(actor=operator, certificate=certificate)
    work()
    assert evidence_for(version(certificate, 2)).green
    node.min_tls = "1.3"
    node.save(update_fields=["min_tls"])
    changed = evidence_for(version(certificate, 2))
    assert (changed.green, changed.rows[0].difference.outcome) == (False, Outcome.OUTDATED)
    node.min_tls = "1.2"
    node.save(update_fields=["min_tls"])
    later = both.node(bot, "new", both.quick, certificate)
    assert evidence_for(version(certificate, 2)).text == (
        "Of 2 service nodes, 1 must be tested again, 1 works with the next version."
    )
    later.delete()
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        old = evidence_for(version(certificate, 2))
        assert not old.green
        assert old.text.startswith("The comparison is older than 24 hours. It said: 1 service node tested: none")
    assert promote(actor=operator, certificate=certificate).proof.startswith("1 service node tested: none would fail")


def test_without_a_comparison_it_is_only_said(bot: Bot, operator: Actor) -> None:
    certificate = slot(bot, "active", "staged")
    make_node(bot, certificate=certificate)
    done = promote(actor=operator, certificate=certificate)
    assert done.proof.startswith("Not proven: version 2 was tested on none")


def test_a_platform_certificate_is_proven_in_all_bots(
    both: Banks, bot: Bot, other_bot: Bot, administrator: User, developer: User
) -> None:
    certificate = both.renewed(None)
    ClientCertificate.objects.update(is_default=True)
    make_certificate(bot, "own", is_default=True)
    both.node(bot, "own", both.quick, None)
    both.node(bot, "attached", both.quick, certificate)
    both.node(other_bot, "by-default", both.quick, None)
    certificate.refresh_from_db()
    compare_versions(actor=Actor.of(administrator), certificate=certificate)
    assert work() == 4
    seen = evidence_for(version(certificate, 2), developer)
    assert seen.green
    assert {row.node.slug: row.hidden for row in seen.rows} == {"attached": False, "by-default": True}


def test_who_may(both: Banks, bot: Bot, developer: User, manager: User) -> None:
    certificate = both.renewed(bot)
    both.node(bot, "quick", both.quick, certificate)
    with pytest.raises(NotAllowed):
        compare_versions(actor=Actor.of(developer), certificate=certificate)
    compare_versions(actor=Actor.of(manager), certificate=certificate)
    Membership.objects.filter(user=manager).delete()
    work()
    assert {test.reason for test in ConnectionTest.objects.all()} == {"tester_not_allowed"}
    assert both.quick.recorded_after(len(both.quick.recorded()), wait_s=0) == []


def test_a_run_is_one_act(both: Banks, bot: Bot, manager: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TESTS_PER_USER", 3)
    monkeypatch.setattr(limits, "TESTS_PER_TARGET", 3)
    monkeypatch.setattr(proving, "COMPARISONS", 2)
    actor, certificate = Actor.of(manager), both.renewed(bot)
    nodes = [both.node(bot, f"quick-{number}", both.quick, certificate) for number in range(4)]
    compare_versions(actor=actor, certificate=certificate)
    with pytest.raises(Conflict) as running:
        compare_versions(actor=actor, certificate=certificate)
    assert running.value.code == "running"
    work()
    probing.request_test(actor=actor, node=nodes[0])
    compare_versions(actor=actor, certificate=certificate)
    work()
    with pytest.raises(TooManyTests):
        compare_versions(actor=actor, certificate=certificate)


def test_what_cannot_be_compared(bot: Bot, operator: Actor) -> None:
    certificate = slot(bot, "active", "staged")
    with pytest.raises(Conflict):
        compare_versions(actor=operator, certificate=certificate, number=1)
    with pytest.raises(NotFound):
        compare_versions(actor=operator, certificate=certificate, number=9)
    retire(actor=operator, certificate=certificate, number=2)
    with pytest.raises(NotFound):
        compare_versions(actor=operator, certificate=certificate)
    destroy(actor=operator, certificate=certificate, number=2)
    with pytest.raises(Conflict):
        compare_versions(actor=operator, certificate=certificate, number=2)
    assert not Proof.objects.exists()


def test_a_version_that_is_gone_is_not_replaced_by_another(both: Banks, bot: Bot, operator: Actor) -> None:
    certificate = both.renewed(bot)
    node = both.node(bot, "quick", both.quick, certificate)
    compare_versions(actor=operator, certificate=certificate)
    Proof.objects.all().delete()
    before = len(both.quick.recorded())
    work()
    assert {test.verdict for test in node.tests.all()} == {"certificate_unusable"}
    assert both.quick.recorded_after(before, wait_s=0.2) == []


def test_alike_rows_stand_in_the_order_of_their_names(bot: Bot) -> None:
    certificate = slot(bot, "active", "staged")
    for name in ("Step 10", "step 2", "Step 1"):
        make_node(bot, name=name, certificate=certificate)
    rows = evidence_for(version(certificate, 2)).rows
    assert [row.node.name for row in rows] == ["Step 1", "step 2", "Step 10"]


def test_the_queries_do_not_grow(bot: Bot) -> None:
    certificate = slot(bot, "active", "staged")
    counts = []
    for _ in range(2):
        for _ in range(5):
            make_node(bot, certificate=certificate)
        compare_versions(actor=Actor.operating_system(), certificate=certificate)
        ConnectionTest.objects.update(verdict="accepted", finished_at=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            evidence_for(version(certificate, 2), None)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_secret_header_that_no_test_sends_leaves_it_unproven(
    both: Banks, bot: Bot, certificate_of_old_ca: ClientCertificate, operator: Actor
) -> None:
    def application(connection: ssl.SSLSocket) -> None:
        allowed = b"authorization: bearer sesame" in connection.recv(65536).lower()
        connection.sendall(b"HTTP/1.1 %s X\r\nContent-Length: 0\r\n\r\n" % (b"200" if allowed else b"401"))

    server = both.servers.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, client_ca=both.old, behaviour=application) as peer:
        node = both.node(bot, "secretive", peer, certificate_of_old_ca)
        change_node(
            actor=operator,
            node=node,
            expected_revision=node.revision,
            sealed_headers={"Authorization": "Bearer sesame"},
        )
        compare_versions(actor=operator, certificate=certificate_of_old_ca)
        work()
    (row,) = evidence_for(version(certificate_of_old_ca, 2)).rows
    assert row.difference.outcome is Outcome.UNPROVEN
    assert row.difference.text.startswith("The server takes both versions in TLS.")


@pytest.fixture
def certificate_of_old_ca(both: Banks, bot: Bot) -> ClientCertificate:
    """Both versions are of the CA that every bank trusts."""
    made = make_certificate(bot, "bank", issued=both.old.issue("one.example"))
    add_version(made, both.old.issue("one.example"), number=2, status=VersionStatus.STAGED)
    return made


def test_a_promotion_that_raised_an_alarm_ends_what_was_proven(
    both: Banks, bot: Bot, certificate_of_old_ca: ClientCertificate, operator: Actor
) -> None:
    node = both.node(bot, "bank", both.slow, certificate_of_old_ca)
    compare_versions(actor=operator, certificate=certificate_of_old_ca)
    work()
    assert evidence_for(version(certificate_of_old_ca, 2)).green
    make_alarm(node, version(certificate_of_old_ca, 2), before=version(certificate_of_old_ca, 1))
    evidence = evidence_for(version(certificate_of_old_ca, 2))
    assert not evidence.green
    assert evidence.text.startswith("The version was promoted since the comparison, and raised an alarm. It said: 1 ")
    compare_versions(actor=operator, certificate=certificate_of_old_ca)
    work()
    assert evidence_for(version(certificate_of_old_ca, 2)).green


def test_another_version_that_became_active_ends_what_was_proven(
    both: Banks, bot: Bot, certificate_of_old_ca: ClientCertificate, operator: Actor
) -> None:
    both.node(bot, "bank", both.slow, certificate_of_old_ca)
    add_version(certificate_of_old_ca, both.new.issue("three.example"), number=3, status=VersionStatus.RETIRED)
    compare_versions(actor=operator, certificate=certificate_of_old_ca)
    work()
    promote(actor=operator, certificate=certificate_of_old_ca, number=3)
    evidence = evidence_for(version(certificate_of_old_ca, 2))
    assert not evidence.green
    assert evidence.text.startswith("Another version became active since the comparison.")


def test_what_could_not_be_tested_is_no_change_of_settings(
    both: Banks, bot: Bot, operator: Actor, settings: Settings
) -> None:
    certificate = both.renewed(bot)
    both.node(bot, "quick", both.quick, certificate)
    compare_versions(actor=operator, certificate=certificate)
    keyring, settings.KEYRING_FILE = settings.KEYRING_FILE, "/nowhere/keyring.json"
    work()
    settings.KEYRING_FILE = keyring
    (row,) = evidence_for(version(certificate, 2)).rows
    assert row.difference.text == "Nothing is proven: the console was sealed, so no key could be opened. Test again."
