"""Queued tests: workers are told of them, and told again of those that none will come to.

The queue is a hint, and a hint may be lost: its worker is killed, or the database fails it. The test's row is what
counts, so a duty looks for rows that wait and of which no worker will hear.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from itertools import groupby

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from botplatform.jobs.services import hints_on_the_way, tell_workers, times_taken
from servicenodes.models import AWAITED_FOR, ConnectionTest, Side
from servicenodes.tasks import run_connection_test

# Somebody waits for a test of no proof; an alarm waits for a re-test; a comparison of a fleet may take hours.
PRIORITIES = {"": 0, Side.AFTER.value: -5, Side.NOW.value: -10, Side.NEXT.value: -10}
ATTEMPTS = 3  # workers that die of a test one after the other are not given it for ever
AT_ONCE = 1000  # the write lock is held for a moment only


def queue_tests(tests: Iterable[ConnectionTest]) -> None:
    """Tell workers of these stored tests. Call it in the transaction that stores them."""

    def priority(test: ConnectionTest) -> int:
        return PRIORITIES[test.side]

    for number, group in groupby(sorted(tests, key=priority), key=priority):
        tell_workers(run_connection_test, [test.pk for test in group], priority=number)


@transaction.atomic
def take_up_tests() -> int:
    """Queue once more what no worker will hear of; how many. A duty.

    Tests that nobody has begun, and those of a proof that their worker left: nobody looks at them to ask again.
    """
    now, tests = timezone.now(), ConnectionTest.objects.defer("report", "steps")
    left = tests.exclude(side="").filter(
        finished_at__isnull=True, lease_until__lt=now, requested_at__gt=now - AWAITED_FOR
    )
    waiting = tests.queued() | left
    lost = waiting.exclude(Exists(hints_on_the_way().filter(pk=OuterRef("pk")))).order_by("requested_at")
    again = _not_given_up(lost.select_for_update(of=("self",), no_key=True, skip_locked=True)[:AT_ONCE])
    keys = [test.pk for test in again]
    ConnectionTest.objects.filter(pk__in=keys).update(started_at=None, lease_until=None, steps=[])
    queue_tests(again)
    return len(again)


def _not_given_up(tests: Iterable[ConnectionTest]) -> Sequence[ConnectionTest]:
    found = list(tests)
    begun: list[uuid.UUID] = [test.pk for test in found if test.started_at is not None]
    taken = times_taken(begun)
    return [test for test in found if test.started_at is None or taken.get(test.pk, 0) < ATTEMPTS]
