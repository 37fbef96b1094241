"""Tests that a worker lost: another worker finishes them, or they end as interrupted. Real processes and servers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.errors import Conflict
from botplatform.jobs.models import Duty
from certificates.issuer_models import RenewalPolicy
from certificates.models import ClientCertificate
from certificates.services.rotation import promote
from servicenodes.models import AWAITED_FOR, TAKEN_UP_WITHIN, Alarm, ConnectionTest, RunState, ServiceNode
from servicenodes.services import probing, proving, queueing
from servicenodes.services.auto_promoting import promote_proven
from servicenodes.services.proofs import evidence_for
from servicenodes.services.proving import RETEST_AFTER, compare_versions, start_due_proofs
from servicenodes.services.queueing import take_up_tests
from tests.botplatform.jobs.test_worker import ROOT, wait_for
from tests.servicenodes.services.proving import Banks, banks, version, work

pytestmark = pytest.mark.django_db(transaction=True)


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
def node(both: Banks, bot: Bot, certificate: ClientCertificate) -> ServiceNode:
    return both.node(bot, "slow", both.slow, certificate)


def states() -> list[str]:
    return sorted(test.state.value for test in ConnectionTest.objects.all())


def waiting() -> int:
    return DBTaskResult.objects.ready().count()


def a_while_later() -> None:
    """The leases of a worker that died have run out, also of the duties it was at."""
    past = timezone.now() - timedelta(minutes=2)
    Duty.objects.update(lease_until=past)
    DBTaskResult.objects.running().update(started_at=past)
    ConnectionTest.objects.filter(lease_until__isnull=False).update(lease_until=past)


@pytest.mark.parametrize("moment", ["before", "during"])
def test_another_worker_finishes_what_a_killed_one_left(
    node: ServiceNode,
    certificate: ClientCertificate,
    operator: Actor,
    product_environment: dict[str, str],
    moment: str,
) -> None:
    compare_versions(actor=operator, certificate=certificate)
    environment = product_environment | {"EGRESS_ALLOW": "127.0.0.0/8,::1"}
    dies = [sys.executable, "-m", "tests.servicenodes.services.worker_until_killed", moment]
    assert subprocess.run(dies, cwd=ROOT, env=environment, check=False, timeout=60).returncode == -9
    assert take_up_tests() == 0, "for all that one knows it is at work"
    a_while_later()
    assert states() == (["queued", "queued"] if moment == "before" else ["interrupted", "queued"])
    works = [sys.executable, "manage.py", "worker", "--concurrency", "1"]
    worker = subprocess.Popen(works, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: states() == ["finished", "finished"], 40)
    finally:
        worker.kill()
        worker.wait()
    assert not evidence_for(version(certificate, 2)).live


@pytest.mark.parametrize("status", ["FAILED", "SUCCESSFUL", None])
def test_a_hint_that_is_lost_is_given_again(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor, status: str | None
) -> None:
    """Whether the database failed its task, the task did nothing, or its row is gone; also of a test by hand."""
    compare_versions(actor=operator, certificate=certificate)
    probing.request_test(actor=operator, node=node)
    assert take_up_tests() == 0, "they are in the queue"
    if status is None:
        DBTaskResult.objects.all().delete()
    DBTaskResult.objects.update(status=status or "READY", finished_at=timezone.now())
    assert (take_up_tests(), waiting(), take_up_tests()) == (3, 3, 0)
    assert [hint.priority for hint in DBTaskResult.objects.all()] == [0, -10, -10]
    assert work() == 3


def test_a_re_test_that_its_worker_left_is_taken_up_again(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    assert probing.test_now(actor=operator, node=node).verdict == "accepted"
    promote(actor=operator, certificate=certificate)
    with time_machine.travel(timezone.now() + RETEST_AFTER + timedelta(seconds=1), tick=True):
        assert (start_due_proofs(), start_due_proofs()) == (1, 0)
        now = timezone.now()
        ConnectionTest.objects.filter(side="after").update(started_at=now, lease_until=now - timedelta(seconds=1))
        DBTaskResult.objects.update(status="FAILED")
        assert work() == 0, "nobody else's"
        assert (take_up_tests(), work()) == (1, 1)
    assert Alarm.objects.count() == 1


def test_a_test_that_workers_die_of_is_given_up(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    compare_versions(actor=operator, certificate=certificate)
    times = 0
    while DBTaskResult.objects.ready().exists():
        for hint in DBTaskResult.objects.ready():
            hint.claim("a worker that dies")
        ConnectionTest.objects.update(started_at=timezone.now(), lease_until=timezone.now())
        a_while_later()
        take_up_tests()
        times += 1
        assert times <= queueing.ATTEMPTS
    assert times == queueing.ATTEMPTS
    assert states() == ["interrupted", "interrupted"]
    compare_versions(actor=operator, certificate=certificate)


def test_a_comparison_goes_on_while_a_worker_that_died_is_replaced(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    compare_versions(actor=operator, certificate=certificate)
    now = timezone.now()
    ConnectionTest.objects.update(started_at=now, lease_until=now)
    assert states() == ["queued", "queued"]
    assert evidence_for(version(certificate, 2)).live
    with pytest.raises(Conflict):
        compare_versions(actor=operator, certificate=certificate)
    with time_machine.travel(now + TAKEN_UP_WITHIN, tick=False):
        assert states() == ["interrupted", "interrupted"]
        assert not evidence_for(version(certificate, 2)).live
        compare_versions(actor=operator, certificate=certificate)


def test_a_command_that_was_killed_is_not_repeated_by_a_worker(node: ServiceNode, operator: Actor) -> None:
    probing.test_now(actor=operator, node=node)
    past = timezone.now() - timedelta(minutes=1)
    ConnectionTest.objects.update(verdict="", finished_at=None, lease_until=past)
    assert take_up_tests() == 0


def test_what_no_worker_begins_within_a_day_is_interrupted(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    RenewalPolicy.objects.create(certificate=certificate, auto_promote=True, staged=version(certificate, 2))
    compare_versions(actor=operator, certificate=certificate)
    old = list(ConnectionTest.objects.values_list("pk", flat=True))
    with time_machine.travel(timezone.now() + AWAITED_FOR + timedelta(seconds=1), tick=True):
        assert {test.state for test in ConnectionTest.objects.all()} == {RunState.INTERRUPTED}
        assert not evidence_for(version(certificate, 2)).live
        assert (take_up_tests(), work()) == (0, 2), "they are looked at"
        assert not ConnectionTest.objects.filter(finished_at__isnull=False).exists(), "and not begun"
        promote_proven()
        assert ConnectionTest.objects.exclude(pk__in=old).count() == 2, "compared again"


def test_whose_account_is_gone_tests_no_more(both: Banks, node: ServiceNode, developer: User) -> None:
    before = len(both.slow.recorded())
    test = probing.request_test(actor=Actor.of(developer), node=node)
    ConnectionTest.objects.update(user=None)  # as the deletion of the account leaves it
    probing.run_test(test.pk)
    test.refresh_from_db()
    assert (test.reason, len(both.slow.recorded())) == ("tester_not_allowed", before)


def test_a_comparison_that_was_killed_while_it_was_queued_goes_on(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is queued a few nodes at a time, so that nobody else waits long for SQLite’s lock."""
    monkeypatch.setattr(proving, "AT_ONCE", 2)
    for number in range(5):
        both.node(bot, f"quick-{number}", both.quick, certificate)
    held: list[float] = []

    def killed(seconds: float) -> None:
        held.append(seconds)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            compare_versions(actor=operator, certificate=certificate)
    assert (work(), held) == (4, [proving.PAUSE_S])
    assert evidence_for(version(certificate, 2)).live
    with pytest.raises(Conflict):
        compare_versions(actor=operator, certificate=certificate)
    assert (start_due_proofs(), start_due_proofs(), work()) == (6, 0, 6)
    evidence = evidence_for(version(certificate, 2))
    assert (evidence.live, evidence.green) == (False, True)
