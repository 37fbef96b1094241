"""The open connections to one service with one credential.

The protocol is h11; this keeps idle connections, newest first, and counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from servicenodes.tls.invoke_http import HttpConnection
from servicenodes.tls.invoke_request import Prepared
from servicenodes.tls.invoke_stream import CallStream
from servicenodes.tls.wire import Deadline

MAX_CONNECTIONS = 64  # of one pool; further calls wait for one to become free
IDLE_S = 30.0  # an idle connection is closed after this
# A connection serves no longer than this, however busy: then address, policy and both certificates are looked at anew.
MAX_AGE_S = 300.0


@dataclass(slots=True, eq=False)
class Connection:
    """One connection of a pool. `timing_ms` is what opening it took, by step."""

    stream: CallStream
    http: HttpConnection
    timing_ms: dict[str, float]
    opened_at: float = field(default_factory=time.monotonic)
    idle_since: float = 0.0
    served: int = 0  # answers received on it

    @property
    def reusable(self) -> bool:
        """Whether the last exchange was complete and the server keeps the connection open."""
        return self.stream.ending is None and self.http.idle

    def too_old(self, now: float) -> bool:
        return now - self.idle_since > IDLE_S or now - self.opened_at > MAX_AGE_S


class PoolBusy(Exception):
    """Every connection was in use until the time was up."""


class Pool:
    """Thread-safe. Each `acquire` is followed by one `release`."""

    def __init__(
        self, open_connection: Callable[[Prepared, Deadline], Connection], limit: int = MAX_CONNECTIONS
    ) -> None:
        self._open = open_connection
        self._free = threading.Semaphore(limit)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._keeps = True
        self.in_flight = 0
        self.last_used = time.monotonic()

    def acquire(self, prepared: Prepared, deadline: Deadline, *, fresh: bool) -> Connection:
        """An idle connection that is alive, or a new one if there is none or `fresh` is wanted.

        Raises `PoolBusy`, and what opening a connection raises.
        """
        if not self._free.acquire(timeout=deadline.left):
            raise PoolBusy
        with self._lock:
            self.in_flight += 1
        self.last_used = time.monotonic()
        taken: Connection | None = None
        try:
            taken = (None if fresh else self._take_idle()) or self._open(prepared, deadline)
            return taken
        finally:
            if taken is None:
                self._leave()

    def release(self, connection: Connection) -> None:
        """Give a connection back; it is kept if it can be used again."""
        keep = False
        if connection.reusable:
            connection.served += 1
            connection.idle_since = self.last_used = time.monotonic()
            with self._lock:
                keep = self._keeps
                if keep:
                    self._idle.append(connection)
        if not keep:
            connection.stream.close()
        self._leave()

    def drain(self) -> None:
        """Close what is idle, and from now on what becomes idle. Calls in flight finish, and late ones are served."""
        with self._lock:
            self._keeps = False
            closing, self._idle = self._idle, []
        _close(closing)

    def keep(self) -> None:
        """Keep connections again."""
        self._keeps = True

    def expire(self, now: float) -> None:
        """Close what has been idle for too long."""
        with self._lock:
            closing = [connection for connection in self._idle if connection.too_old(now)]
            self._idle = [connection for connection in self._idle if connection not in closing]
        _close(closing)

    def abandon(self) -> None:
        """Close without a word: after a fork the connections belong to the parent."""
        for connection in self._idle:
            connection.stream.abandon()
        self._idle = []

    def _take_idle(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.too_old(time.monotonic()) and connection.stream.is_alive():
                return connection
            connection.stream.close()

    def _leave(self) -> None:
        with self._lock:
            self.in_flight -= 1
        self._free.release()


def _close(connections: list[Connection]) -> None:
    for connection in connections:
        connection.stream.close()
