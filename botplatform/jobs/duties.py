"""Duties: periodic work. Each finds what is due in its own rows and does it, or queues it when it takes long.

`settings.DUTIES` names them: name → (what it does, path of a function, seconds between two starts). The function takes
no argument and returns how many things it did. A lease keeps a duty to one worker at a time, on however many hosts.
The lease of a worker that was killed runs out and the duty is begun anew, so being done twice must do no harm.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import connections
from django.utils import timezone
from django.utils.module_loading import import_string

from botplatform.jobs.models import Duty

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=5)
MAX_THREADS = 2  # one slow duty must not hold up the others


class DutyRunner:
    """Starts what is due, each duty in a thread. A failure is logged and noted, and the duty comes round again."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="duty")

    def start_due(self) -> dict[str, Future[int]]:
        """Claim and start what is due now. One query when nothing is."""
        claimed = ((name, claim(name)) for name in due(timezone.now()))
        return {name: self._start(name, lease) for name, lease in claimed if lease}

    def close(self, *, wait: bool = True) -> None:
        """Start nothing more. `wait` for what was claimed, or leave what has not begun to the end of its lease."""
        self._executor.shutdown(wait=wait, cancel_futures=not wait)

    def _start(self, name: str, lease: datetime) -> Future[int]:
        future = self._executor.submit(_do, name)
        future.add_done_callback(partial(_finish, name, lease, timezone.now()))
        return future


def due(now: datetime) -> list[str]:
    """The duties to do at `now` (aware UTC). One query."""
    rows = {row.name: row for row in Duty.objects.all()}
    return [name for name in settings.DUTIES if name not in rows or rows[name].is_due(now)]


@dataclass(frozen=True, slots=True)
class DutyState:
    """How a duty stands, for a person. `row` is None before it was first begun."""

    title: str
    row: Duty | None


def states() -> list[DutyState]:
    """Every duty of the settings. One query."""
    rows = {row.name: row for row in Duty.objects.all()}
    return [DutyState(title, rows.get(name)) for name, (title, _, _) in settings.DUTIES.items()]


def claim(name: str) -> datetime | None:
    """Until when the duty is now ours; None when somebody else has it."""
    now = timezone.now()
    return now + LEASE if Duty.objects.claim(name=name, now=now, lease_until=now + LEASE) else None


def _do(name: str) -> int:
    _, path, _ = settings.DUTIES[name]
    try:
        return int(import_string(path)())
    finally:
        connections.close_all()


def _finish(name: str, lease: datetime, begun_at: datetime, future: Future[int]) -> None:
    """Runs in the thread of the duty, when it has ended or was never begun."""
    if future.cancelled():
        return
    _, _, every_s = settings.DUTIES[name]
    failure = future.exception()
    if failure is not None:
        log.error("duty_failed", duty=name, exc_info=failure)
    error = type(failure).__name__ if failure else ""
    try:
        due_at, now = begun_at + timedelta(seconds=every_s), timezone.now()
        if not Duty.objects.finish(name=name, lease_until=lease, due_at=due_at, ended_at=now, error=error):
            log.warning("duty_took_longer_than_its_lease", duty=name)
    finally:
        connections.close_all()
