"""After a promotion: nodes are tested again, and one that worked before and fails raises an alarm. Real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from cryptography import x509
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot, Membership
from botplatform.errors import Conflict, InvalidInput, NotAllowed
from botplatform.notifications.models import Delivery
from certificates.models import ClientCertificate, VersionStatus
from certificates.pki.inspection import UploadedFile
from certificates.services.completing import complete
from certificates.services.fallback import set_fallback
from certificates.services.importing import import_certificate
from certificates.services.requesting import request
from certificates.services.rotation import destroy, promote, retire, roll_back
from servicenodes.models import Alarm, ConnectionTest, Proof, ServiceNode
from servicenodes.services import alarms, probing
from servicenodes.services.proving import RETEST_AFTER, compare_versions, start_due_proofs
from servicenodes.services.requests import ProbeOptions
from tests.factories import add_version, make_alarm, make_node, make_trust_store, upload
from tests.pki import CA
from tests.servicenodes.services.proving import Banks, banks, version, work

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


@pytest.fixture
def certificate(both: Banks, bot: Bot) -> ClientCertificate:
    return both.renewed(bot)


@pytest.fixture
def nodes(both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor) -> list[ServiceNode]:
    """The slow bank's and the quick bank's, both tested with version 1 and accepted."""
    found = [both.node(bot, "slow", both.slow, certificate), both.node(bot, "quick", both.quick, certificate)]
    for node in found:
        assert probing.test_now(actor=operator, node=node).verdict == "accepted"
    return found


def retested() -> int:
    """A minute later: what the duty queues is worked off."""
    with time_machine.travel(timezone.now() + RETEST_AFTER + timedelta(seconds=1), tick=True):
        start_due_proofs()
        return work()


def actions() -> list[str]:
    return list(AuditEvent.objects.filter(action__startswith="alarm.").values_list("action", flat=True))


def test_who_fails_since_raises_an_alarm_and_a_rollback_closes_it(
    nodes: list[ServiceNode], certificate: ClientCertificate, bot: Bot, manager: User
) -> None:
    User.objects.filter(pk=manager.pk).update(email="manager@acme.example")
    actor = Actor.of(manager)
    promote(actor=actor, certificate=certificate)
    assert start_due_proofs() == 0, "not before the minute is over"
    assert retested() == 2
    alarm = Alarm.objects.get()
    assert (alarm.node.slug, alarm.version.number, alarm.before.number) == ("slow", 2, 1)
    assert (alarm.verdict, alarm.closed_at) == ("rejected", None)
    raised = AuditEvent.objects.get(action="alarm.raised")
    assert (raised.actor_kind, raised.object_name, raised.facts["version"]) == ("platform", "acme/slow", 2)
    assert {node.last_verdict for node in ServiceNode.objects.all()} == {"rejected", "accepted"}
    (told,) = Delivery.objects.all()
    assert (told.event, told.bot, told.urgent, told.recipient) == ("alarm.raised", bot, True, "manager@acme.example")

    assert alarms.roll_back(actor=actor, alarm=alarm).version.number == 1
    alarm.refresh_from_db()
    assert (alarm.closed_how, alarm.closed_by) == ("switched", "manager")
    with pytest.raises(Conflict):
        alarms.roll_back(actor=actor, alarm=alarm)
    assert retested() == 2
    assert {node.last_verdict for node in ServiceNode.objects.all()} == {"accepted"}
    assert actions() == ["alarm.closed", "alarm.raised"]


def test_an_accepted_test_closes_it(
    both: Banks, nodes: list[ServiceNode], certificate: ClientCertificate, operator: Actor
) -> None:
    promote(actor=operator, certificate=certificate)
    retested()
    alarm = Alarm.objects.get()
    probing.test_now(actor=operator, node=nodes[0])
    probing.test_now(actor=operator, node=nodes[0], options=ProbeOptions(version=1))
    assert alarms.open_alarms().get() == alarm, "failing as before; and with version 1 it tells nothing of calls"
    nodes[0].url = both.quick.url  # the bank follows
    nodes[0].save(update_fields=["url"])
    probing.test_now(actor=operator, node=nodes[0])
    alarm.refresh_from_db()
    assert alarm.closed_how == "accepted"


def test_a_person_closes_it_with_a_reason(
    nodes: list[ServiceNode], certificate: ClientCertificate, developer: User, viewer: User
) -> None:
    promote(actor=Actor.operating_system(), certificate=certificate)
    retested()
    alarm = Alarm.objects.get()
    with pytest.raises(InvalidInput):
        alarms.close_alarm(actor=Actor.of(developer), alarm=alarm, reason="  ")
    with pytest.raises(NotAllowed):
        alarms.close_alarm(actor=Actor.of(viewer), alarm=alarm, reason="Fine")
    with pytest.raises(NotAllowed):
        alarms.roll_back(actor=Actor.of(developer), alarm=alarm)
    alarms.close_alarm(actor=Actor.of(developer), alarm=alarm, reason="The bank is shut tonight")
    with pytest.raises(Conflict):
        alarms.close_alarm(actor=Actor.of(developer), alarm=alarm, reason="Again")
    closed = AuditEvent.objects.get(action="alarm.closed").facts
    assert (closed["how"], closed["reason"]) == ("by hand", "The bank is shut tonight")


def test_no_alarm_where_it_never_worked(both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor) -> None:
    both.node(bot, "untested", both.slow, certificate)
    down = both.node(bot, "down", None, certificate)
    probing.test_now(actor=operator, node=down)
    promote(actor=operator, certificate=certificate)
    assert retested() == 2
    assert not Alarm.objects.exists()


def test_what_counts_as_having_worked_is_the_last_test_of_the_node_as_it_is(
    both: Banks,
    bot: Bot,
    nodes: list[ServiceNode],
    certificate: ClientCertificate,
    operator: Actor,
    settings: Settings,
) -> None:
    """One was accepted at another URL only; the other failed only with another trust store than its own."""
    moved, slow = both.node(bot, "moved", both.slow, certificate), nodes[0]
    assert probing.test_now(actor=operator, node=moved).verdict == "accepted"
    moved.url = f"{both.slow.url}elsewhere"
    moved.save(update_fields=["url"])
    foreign = make_trust_store(bot, "foreign", authorities=(both.old,))
    failed = probing.test_now(actor=operator, node=slow, options=ProbeOptions(trust_store=foreign))
    assert failed.verdict == "server_untrusted"
    settings.EGRESS_ALLOW, allowed = [], settings.EGRESS_ALLOW
    assert probing.test_now(actor=operator, node=slow).verdict == "address_denied", "which tells nothing of it"
    settings.EGRESS_ALLOW = allowed
    promote(actor=operator, certificate=certificate)
    assert retested() == 3
    assert [alarm.node.slug for alarm in Alarm.objects.all()] == ["slow"]


def test_a_failure_that_says_nothing_of_the_certificate_says_so(
    nodes: list[ServiceNode], certificate: ClientCertificate, operator: Actor, settings: Settings
) -> None:
    promote(actor=operator, certificate=certificate)
    settings.EGRESS_ALLOW = []
    retested()
    assert {alarm.verdict for alarm in Alarm.objects.all()} == {"address_denied"}
    assert all(alarm.summary.endswith(alarms.NOT_ABOUT_CERTIFICATE) for alarm in Alarm.objects.all())


def test_a_rollback_leads_to_the_version_that_worked_or_nowhere(
    both: Banks, nodes: list[ServiceNode], certificate: ClientCertificate, operator: Actor
) -> None:
    promote(actor=operator, certificate=certificate)
    add_version(certificate, both.new.issue("three.example"), number=3, status=VersionStatus.STAGED)
    promote(actor=operator, certificate=certificate)
    alarm = make_alarm(nodes[0], version(certificate, 3), before=version(certificate, 2))
    destroy(actor=operator, certificate=certificate, number=2)
    with pytest.raises(Conflict, match="Version 2, which worked, cannot be presented any more"):
        alarms.roll_back(actor=operator, alarm=alarm)
    assert version(certificate, 3).status == "active"


def test_a_re_test_that_ends_after_a_rollback_raises_none(
    nodes: list[ServiceNode], certificate: ClientCertificate, operator: Actor
) -> None:
    promote(actor=operator, certificate=certificate)
    retested()
    roll_back(actor=operator, certificate=certificate)
    alarms.consider(actor=operator, test=ConnectionTest.objects.get(side="after", node=nodes[0]))
    assert not alarms.open_alarms().exists()


def test_an_import_that_promotes_is_watched_too(
    both: Banks, nodes: list[ServiceNode], certificate: ClientCertificate, bot: Bot, operator: Actor
) -> None:
    files = upload(both.new.issue("three.example"))
    import_certificate(actor=operator, owner=bot, name="bank", files=files, passphrase=None)
    retested()
    assert Alarm.objects.get().version.number == 3


def by_import(bot: Bot, ca: CA) -> None:
    files = upload(ca.issue("three.example"))
    import_certificate(actor=Actor.operating_system(), owner=bot, name="bank", files=files, passphrase=None)


def by_reply(bot: Bot, ca: CA) -> None:
    asked = request(actor=Actor.operating_system(), owner=bot, name="bank")
    issued = ca.issue(public_key=x509.load_der_x509_csr(asked.csr).public_key())
    files = [UploadedFile("reply.pem", issued.chain_pem)]
    complete(actor=Actor.operating_system(), certificate=asked.certificate, files=files)


@pytest.mark.parametrize("way", [by_import, by_reply])
def test_whatever_takes_the_empty_place_closes_window_and_alarms(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor, way: Callable[[Bot, CA], None]
) -> None:
    """Version 2 was promoted, raised an alarm, and was retired by hand: nothing is active."""
    node = make_node(bot, certificate=certificate)
    set_fallback(actor=operator, certificate=certificate, days=7)
    promote(actor=operator, certificate=certificate)
    make_alarm(node, version(certificate, 2), before=version(certificate, 1))
    retire(actor=operator, certificate=certificate, number=2, force=True)
    way(bot, both.new)
    certificate.refresh_from_db()
    assert (certificate.active_version == version(certificate, 3), certificate.fallback_until) == (True, None)
    assert Alarm.objects.get().closed_how == "switched"


def test_a_re_test_that_was_overtaken_tests_nothing(
    nodes: list[ServiceNode], certificate: ClientCertificate, operator: Actor
) -> None:
    promote(actor=operator, certificate=certificate)
    roll_back(actor=operator, certificate=certificate)
    retested()
    assert set(ConnectionTest.objects.filter(side="after").values_list("version__number", flat=True)) == {1}
    assert not Alarm.objects.exists()


def test_a_re_test_is_the_platforms_whoever_promoted(
    nodes: list[ServiceNode], certificate: ClientCertificate, manager: User
) -> None:
    promote(actor=Actor.of(manager), certificate=certificate)
    Membership.objects.filter(user=manager).delete()
    retested()
    assert Alarm.objects.get().node.slug == "slow"
    assert set(DBTaskResult.objects.values_list("priority", flat=True)) == {-5}, "before any comparison"
    tested = AuditEvent.objects.filter(action="connection.tested").order_by("-position").first()
    assert tested is not None
    assert (tested.actor_kind, tested.actor_name, tested.facts["promoted_by"]) == ("platform", "platform", "manager")
    assert Proof.objects.get().requested_by == "manager"


def test_the_version_it_worked_with_may_be_known_from_a_comparison(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor
) -> None:
    both.node(bot, "slow", both.slow, certificate)
    compare_versions(actor=operator, certificate=certificate)
    work()
    promote(actor=operator, certificate=certificate, reason="They follow")
    retested()
    assert Alarm.objects.get().version == version(certificate, 2)
