"""One attempt: a conversation with the server over one connection, and what was seen of it.

The order is the truth's: after the handshake we listen before we write. Writing to a server that has just refused us
provokes a reset, and a reset may destroy the alert that says why.

When listening ends: a moment (two round trips) after the first sign of life that follows our part of the handshake,
or after max(1 s, 4 × round trip), but never more than half of the patience that is left for the attempt, so that a
short timeout still leaves time to ask. A session ticket is a sign of life and no acceptance. In TLS 1.2 it arrives
within the handshake. So a server with tickets costs hardly any waiting; one without costs a second per attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from servicenodes.tls.context import ContextSpec, context_for
from servicenodes.tls.http import MAX_RAW, Exchange
from servicenodes.tls.link import Link
from servicenodes.tls.machine import MachineFailed
from servicenodes.tls.observation import Attempt, AttemptKind, Ending, HttpAnswer
from servicenodes.tls.wire import Deadline, Wire

LISTEN_S = 1.0
LISTEN_RTTS = 4
GRACE_S = 0.01
GRACE_RTTS = 2
TELLING_BODY_S = 2.0  # how long to wait for the rest of a page that may name the reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What an attempt does: which context, which name to ask for, which request to send."""

    spec: ContextSpec
    server_name: str
    host_header: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    observe: bool  # collect every verification error; only for attempts without a client certificate
    patience_s: float  # how long to wait for the server's word after our request


class Conversation(Link):
    """A link with one request. Call the phases in order; the first two return whether to go on."""

    def __init__(self, plan: Plan, wire: Wire, *, address: str, deadline: Deadline) -> None:
        super().__init__(
            context_for(plan.spec),
            plan.server_name,
            wire,
            address=address,
            deadline=deadline,
            observe=plan.observe,
        )
        self._plan = plan
        self._exchange = Exchange(plan.method, plan.path, plan.host_header, plan.headers)
        self._data_seen = False

    def handshake(self) -> bool:
        """Up to our Finished. False if it failed, or if the server is not to be trusted."""
        going_on = super().handshake()
        self._algorithms = self._machine.requested_signature_algorithms()
        self._wire.budget = MAX_RAW
        return going_on

    def listen(self) -> bool:
        """Wait for a word of the server before saying anything ourselves."""
        longest = max(LISTEN_S, LISTEN_RTTS * self._wire.rtt_s)
        self.wait = self.deadline.or_sooner(min(longest, self._plan.patience_s / 2))
        self.guard(lambda: self._read_until(lambda: self._machine.ticket_seen or self._data_seen))
        if self.ending is Ending.TIMEOUT and self.deadline.left:
            self.ending = None  # silence before the request means nothing
        return self.ending is None

    def ask(self) -> None:
        """Send the request, and read on even if it could not be sent."""
        self.wait = self.deadline.or_sooner(self._plan.patience_s)
        with suppress(OSError, MachineFailed):  # what the server said before is still to be read
            self._send_request()
        self.guard(lambda: self._read_until(lambda: False))
        if self.ending is None:
            self.ending = Ending.DATA

    def _send_request(self) -> None:
        """Record by record. In the middle of a renegotiation the machine takes nothing before more has come."""
        rest = memoryview(self._exchange.request)
        while rest:
            taken = self._machine.write(rest)
            if not self.flush() or (not taken and not self.take()):
                return
            rest = rest[taken:]
        self.request_sent = True

    def guard(self, phase: Callable[[], None]) -> None:
        """Run a phase and note how it ended. However it ended behind data, the data is what counts."""
        super().guard(phase)
        if self._data_seen and self.ending is not None:
            self._exchange.feed(b"")
            self.ending = Ending.DATA

    def facts(self, kind: AttemptKind, *, ms: float, http: HttpAnswer | None = None) -> Attempt:
        """What was seen."""
        return super().facts(kind, ms=ms, http=http or self._exchange.answer())

    def _read_until(self, enough: Callable[[], bool]) -> None:
        """Read what is there; then wait for more, unless it is enough or the conversation has ended."""
        grace: Deadline | None = None
        while not self._exchange.done:
            data = self._machine.read()
            self.flush()  # answers to renegotiation and key updates
            if data is not None:
                self._feed(data)
            elif enough():
                # An alert or a close may stand right behind a ticket.
                grace = grace or self.wait.or_sooner(max(GRACE_S, GRACE_RTTS * self._wire.rtt_s))
                self.wait = grace
                if not self.take():
                    self.ending = None if self.ending is Ending.TIMEOUT else self.ending
                    return
            elif not self.take():
                return

    def _feed(self, data: bytes) -> None:
        self._data_seen = True
        known = self._exchange.status_known
        self._exchange.feed(data)
        if self._exchange.status_known and not known:
            self.wait = self.wait.or_sooner(TELLING_BODY_S)
