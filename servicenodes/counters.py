"""Counters of calls: gathered in the process, added to the database in batches, read for the console.

A call costs no row and no query: `count` adds to a dictionary. A thread of the process writes what came together
every `CALL_COUNTERS_FLUSH_S` seconds, sooner after `FULL` calls, and once more when the process ends. A process that is
killed loses what it gathered since; nothing else depends on these numbers.
"""

from __future__ import annotations

import atexit
import os
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Max, Sum
from django.utils import timezone

from certificates.models import CertificateVersion
from servicenodes.counter_models import CallCounter, counter_id
from servicenodes.models import ServiceNode

log = structlog.get_logger(__name__)

ANSWERED = "answered"  # the server answered over HTTP, whatever its status
FELL_BACK = "fell_back"  # answered, with the version before the active one, which the server rejected
REFUSED = "refused"  # the call was not made; else the verdict says why it failed
NO_FAILURES = frozenset({ANSWERED, FELL_BACK, REFUSED})
FULL = 1_000
AT_EXIT_S = 25.0  # longer than SQLite waits for its lock
MOST_KEYS = 10_000  # while the database is away

Key = tuple[uuid.UUID, uuid.UUID | None, str]


class Gathered:
    """What one process counted and has not written yet. Safe for threads; a fork starts anew."""

    def __init__(self) -> None:
        self.reset()
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        self._lock = threading.Lock()
        self.writing = threading.Lock()  # held from what is taken until it is written or put back
        self._counts: dict[Key, tuple[int, datetime]] = {}
        self._since_flush = 0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, key: Key, calls: int, at: datetime) -> None:
        """Count; beyond `MOST_KEYS` different keys the call is not counted."""
        with self._lock:
            self._add(key, calls, at)
            self._since_flush += calls
            if self._since_flush >= FULL:
                self._wake.set()

    def _add(self, key: Key, calls: int, at: datetime) -> None:
        before, last = self._counts.get(key, (0, at))
        if before or len(self._counts) < MOST_KEYS:
            self._counts[key] = (before + calls, max(last, at))

    def put_back(self, taken: dict[Key, tuple[int, datetime]]) -> None:
        """Count again what could not be written. It wakes nobody: the database gets the interval to come back."""
        with self._lock:
            for key, (calls, at) in taken.items():
                self._add(key, calls, at)

    def take(self) -> dict[Key, tuple[int, datetime]]:
        with self._lock:
            taken, self._counts, self._since_flush = self._counts, {}, 0
            return taken

    def ensure_writer(self) -> None:
        """Start the thread that writes, unless it runs or writing is left to others (interval 0)."""
        if self._thread is not None or not settings.CALL_COUNTERS_FLUSH_S:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._write_on, args=(self._wake,), name="call-counters", daemon=True
                )
                self._thread.start()

    def _write_on(self, wake: threading.Event) -> None:
        """Ends when writing is left to others, and when a reset has made this writer an earlier one."""
        while wake is self._wake and (interval := settings.CALL_COUNTERS_FLUSH_S):
            wake.wait(interval)
            wake.clear()
            flush()
            connection.close()
        with self._lock:
            if wake is self._wake:
                self._thread = None


_gathered = Gathered()


def flush_at_exit() -> None:
    """Write what is left; where others write, they decide when.

    The writer's thread dies with the process, so it is given the time to end what it is writing.
    """
    if settings.CALL_COUNTERS_FLUSH_S:
        flush(wait_s=AT_EXIT_S)


atexit.register(flush_at_exit)


def count(*, node: uuid.UUID, version: uuid.UUID | None, outcome: str) -> None:
    """Count one call that has just ended."""
    _gathered.add((node, version, outcome), 1, timezone.now())
    _gathered.ensure_writer()


def flush(*, wait_s: float = -1) -> None:
    """Write what this process has counted, in one batch. What cannot be written is kept for the next time.

    One thread writes at a time; the next waits for it, at most `wait_s` seconds where that is given.
    """
    writing = _gathered.writing
    if not writing.acquire(timeout=wait_s):
        return
    try:
        if taken := _gathered.take():
            _write(taken)
    finally:
        writing.release()


def _write(taken: dict[Key, tuple[int, datetime]]) -> None:
    rows = [
        CallCounter(
            pk=counter_id(*key), node_id=key[0], version_id=key[1], outcome=key[2], calls=calls, last_used_at=at
        )
        for key, (calls, at) in taken.items()
    ]
    try:
        CallCounter.objects.add_up(rows)
    except (DatabaseError, InterfaceError) as error:
        log.warning(
            "calls_not_counted_yet", calls=sum(calls for calls, _ in taken.values()), error=type(error).__name__
        )
        _gathered.put_back(taken)


# --- Reads ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Traffic:
    """The calls of one node or of one version, as far as they are written."""

    outcomes: dict[str, int] = field(default_factory=dict)
    last_used_at: datetime | None = None  # of a call that was made

    @property
    def calls(self) -> int:
        """Calls that were made."""
        return sum(calls for outcome, calls in self.outcomes.items() if outcome != REFUSED)

    @property
    def total(self) -> int:
        """All calls, made or not: what was answered, the failures and the refused add up to it."""
        return sum(self.outcomes.values())

    @property
    def answered(self) -> int:
        """Calls that the server answered."""
        return self.outcomes.get(ANSWERED, 0) + self.outcomes.get(FELL_BACK, 0)

    @property
    def failures(self) -> dict[str, int]:
        """Calls without an answer, by verdict, most frequent first."""
        failed = {name: calls for name, calls in self.outcomes.items() if name not in NO_FAILURES}
        return dict(sorted(failed.items(), key=lambda item: (-item[1], item[0])))

    @property
    def refused(self) -> int:
        """Calls that were not made."""
        return self.outcomes.get(REFUSED, 0)


def traffic_of_nodes(nodes: Iterable[ServiceNode]) -> dict[uuid.UUID, Traffic]:
    """By node id, one query. Every node asked for is there."""
    return _traffic("node_id", [node.pk for node in nodes])


def fallbacks_of(node: ServiceNode) -> list[CallCounter]:
    """The calls of a node that fell back, one row for each version that they fell back to; the newest first."""
    rows = CallCounter.objects.filter(node=node, outcome=FELL_BACK, version__isnull=False)
    return list(rows.select_related("version").defer("version__leaf_der").order_by("-last_used_at"))


def traffic_of_versions(versions: Iterable[CertificateVersion]) -> dict[uuid.UUID, Traffic]:
    """By version id, one query. Every version asked for is there."""
    return _traffic("version_id", [version.pk for version in versions])


def _traffic(column: str, keys: list[uuid.UUID]) -> dict[uuid.UUID, Traffic]:
    rows = CallCounter.objects.filter(**{f"{column}__in": keys}).order_by().values_list(column, "outcome")
    outcomes: dict[uuid.UUID, dict[str, int]] = {key: {} for key in keys}
    last: dict[uuid.UUID, datetime] = {}
    for key, outcome, calls, at in rows.annotate(Sum("calls"), Max("last_used_at")):
        outcomes[key][outcome] = calls
        if outcome != REFUSED:
            last[key] = max(at, last.get(key, at))
    return {key: Traffic(outcomes[key], last.get(key)) for key in keys}
