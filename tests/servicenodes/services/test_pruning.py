"""Which old reports of tests are removed, and which stay however old they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion
from servicenodes.models import ConnectionTest, Proof, ServiceNode
from servicenodes.services.pruning import NEWEST, prune_tests
from tests.factories import make_certificate, make_node, make_test, make_version

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def kept_for_a_month(settings: Settings) -> None:
    settings.KEEP_DAYS = 30


@pytest.fixture
def node(bot: Bot) -> ServiceNode:
    """With as many newest tests as are always kept."""
    made = make_node(bot)
    for days in range(NEWEST):
        finished(made, 35 + days / 100)
    return made


def finished(node: ServiceNode, days_ago: float, **fields: Any) -> ConnectionTest:
    """A test that finished so many days ago; the node does not tell of it."""
    at = NOW - timedelta(days=days_ago)
    fields |= {"requested_at": at, "finished_at": at, "verdict": "accepted", "target": "t:443"}
    return ConnectionTest.objects.create(node=node, requested_by="factory", **fields)


def left(*tests: ConnectionTest) -> list[bool]:
    kept = set(ConnectionTest.objects.values_list("pk", flat=True))
    return [test.pk in kept for test in tests]


def test_only_what_is_old_is_removed_and_that_is_on_record(node: ServiceNode, settings: Settings) -> None:
    settings.KEEP_DAYS = 105
    young, old = finished(node, 104), [finished(node, 106 + number) for number in range(3)]
    assert prune_tests() == 3
    assert left(young, *old) == [True, False, False, False]
    assert ConnectionTest.objects.count() == NEWEST + 1
    event = AuditEvent.objects.get(action="history.removed")
    assert (event.object_name, event.facts) == ("connection tests", {"removed": 3, "older_than_days": 105})
    assert prune_tests() == 0
    assert AuditEvent.objects.count() == 1


def test_the_newest_of_each_node_stay_however_old(node: ServiceNode, bot: Bot) -> None:
    other = make_node(bot)
    only, queued = finished(other, 900), make_test(other, requested_at=NOW - timedelta(days=800))
    assert prune_tests() == 0
    assert left(only, queued) == [True, True]


def test_the_one_that_the_verdict_is_from_stays(node: ServiceNode) -> None:
    gone, verdict = finished(node, 100), finished(node, 90)
    ServiceNode.objects.update(last_tested_at=verdict.finished_at)
    assert prune_tests() == 1
    assert left(gone, verdict) == [False, True]


def test_the_newest_with_each_version_stays(node: ServiceNode, bot: Bot) -> None:
    version = make_version(make_certificate(bot), number=2, status="staged")
    first, last, nothing = (
        finished(node, 120, version=version),
        finished(node, 110, version=version),
        finished(node, 105),
    )
    assert prune_tests() == 2
    assert left(first, last, nothing) == [False, True, False]


class Proofs:
    """Comparisons and re-tests of one version, each with one old test of a node."""

    def __init__(self, node: ServiceNode, version: CertificateVersion, now: CertificateVersion | None) -> None:
        self._node, self._version, self._now = node, version, now

    def add(self, kind: str, days_ago: float) -> ConnectionTest:
        at = NOW - timedelta(days=days_ago)
        proof = Proof.objects.create(
            kind=kind, certificate=self._version.certificate, next_version=self._version, now_version=self._now,
            requested_at=at, requested_by="factory",
        )  # fmt: skip
        return finished(self._node, days_ago, proof=proof, side="next" if kind == "comparison" else "after")


Adding = Callable[[str, float], ConnectionTest]


@pytest.fixture
def add(node: ServiceNode, bot: Bot) -> Adding:
    certificate = make_certificate(bot)
    return Proofs(node, make_version(certificate, number=2, status="staged"), certificate.versions.get(number=1)).add


def test_a_comparison_that_a_promotion_cites_stays(add: Adding) -> None:
    replaced, cited = add("comparison", 130), add("comparison", 120)
    retest, forgotten, newest = add("retest", 119), add("comparison", 110), add("comparison", 100)
    assert prune_tests() == 3
    assert left(replaced, cited, retest, forgotten, newest) == [False, True, False, False, True]


def test_a_comparison_with_nothing_active_may_be_cited_without_a_retest(node: ServiceNode, bot: Bot) -> None:
    add = Proofs(node, make_version(make_certificate(bot), number=2, status="staged"), None).add
    first, second = add("comparison", 130), add("comparison", 120)
    assert prune_tests() == 0
    assert left(first, second) == [True, True]


def test_many_are_removed_a_batch_at_a_time(node: ServiceNode) -> None:
    at = NOW - timedelta(days=200)
    ConnectionTest.objects.bulk_create(
        ConnectionTest(node=node, requested_by="factory", target="t:443", requested_at=at) for _ in range(1200)
    )
    with CaptureQueriesContext(connection) as queries:
        assert prune_tests() == 1200
    assert sum(query["sql"].startswith("DELETE") for query in queries) == 3
    assert not any('"report"' in query["sql"] for query in queries), "no report is read to be removed"
    assert sum(AuditEvent.objects.values_list("facts__removed", flat=True)) == 1200
