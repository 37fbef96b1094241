"""Writers at once: no gap, no fork."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from tests.botplatform.audit.test_record import record_one

THREADS, EACH = 8, 12


def verify_all_along(writers: list[Future[int]]) -> list[str | None]:
    """The problems that `verify_trail` sees while others write: none, if all is well."""
    problems = []
    try:
        while not all(writer.done() for writer in writers):
            problems.append(verify_trail().problem)
    finally:
        connection.close()
    return problems


def write(writer: int) -> int:
    """Record some events, some of them rolled back; the number of those kept."""
    kept = 0
    try:
        for number in range(EACH):
            with transaction.atomic():
                record_one(object_name=f"{writer}-{number}")
                if number % 4 == 3:
                    transaction.set_rollback(True)
                else:
                    kept += 1
    finally:
        connection.close()
    return kept


@pytest.mark.django_db(transaction=True)
def test_writers_at_once_leave_one_unbroken_chain() -> None:
    with ThreadPoolExecutor(THREADS + 1) as pool:
        writers = [pool.submit(write, number) for number in range(THREADS)]
        problems = pool.submit(verify_all_along, writers).result()
        kept = sum(writer.result() for writer in writers)
    assert set(problems) <= {None}
    check = verify_trail()
    assert (check.ok, check.events) == (True, kept)
    positions = AuditEvent.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, kept + 1))
