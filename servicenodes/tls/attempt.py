"""One attempt: a conversation with the server over one connection, and what was seen of it.

The order is the truth's: after the handshake we listen before we write. Writing to a server that has just refused us
provokes a reset, and a reset may destroy the alert that says why.

When listening ends: a moment (two round trips) after the first sign of life that follows our part of the handshake,
or after max(1 s, 4 × round trip). A session ticket is a sign of life and no acceptance. In TLS 1.2 it arrives within
the handshake. So a server with tickets costs hardly any waiting; one without costs a second per attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

from servicenodes.tls.context import ContextSpec, context_for
from servicenodes.tls.http import MAX_RAW, Exchange
from servicenodes.tls.machine import CloseNotify, Machine, MachineFailed
from servicenodes.tls.observation import Attempt, AttemptKind, Ending, Failure, Sent
from servicenodes.tls.transcript import SERVER_HELLO, Transcript
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


class Conversation:
    """Drives the TLS machine over a wire. Call the phases in order; the first two return whether to go on."""

    def __init__(self, plan: Plan, wire: Wire, *, address: str, deadline: Deadline) -> None:
        self._plan = plan
        self._wire = wire
        self._address = address
        self._deadline = self._wait = deadline
        self._transcript = Transcript(plan.server_name, plan.observe)
        self._machine = Machine(context_for(plan.spec), self._transcript, sni=_sni(plan.server_name))
        self._exchange = Exchange(plan.method, plan.path, plan.host_header, plan.headers)
        self._ending: Ending | None = None
        self._local_error = ""
        self._request_sent = False
        self._data_seen = False
        self._looks_like_tls: bool | None = None
        self._algorithms: tuple[str, ...] = ()

    def handshake(self) -> bool:
        """Up to our Finished. False if it failed, or if the server is not to be trusted."""
        self._guard(self._shake_hands)
        self._looks_like_tls = self._machine.looks_like_tls
        if self._ending is None and (self._transcript.verify_errors or not self._machine.hostname_matched):
            self._ending = Ending.LOCAL
        self._algorithms = self._machine.requested_signature_algorithms()
        self._wire.budget = MAX_RAW
        return self._ending is None

    def listen(self) -> bool:
        """Wait for a word of the server before saying anything ourselves."""
        self._wait = self._deadline.or_sooner(max(LISTEN_S, LISTEN_RTTS * self._wire.rtt_s))
        self._guard(lambda: self._read_until(lambda: self._machine.ticket_seen or self._data_seen))
        if self._ending is Ending.TIMEOUT and self._deadline.left:
            self._ending = None  # silence before the request means nothing
        return self._ending is None

    def ask(self) -> None:
        """Send the request, and read on even if it could not be sent."""
        try:
            self._machine.write(self._exchange.request)
            self._request_sent = self._flush()
        except (ConnectionError, MachineFailed):
            self._request_sent = False
        self._wait = self._deadline.or_sooner(self._plan.patience_s)
        self._guard(lambda: self._read_until(lambda: False))
        if self._ending is None:
            self._ending = Ending.DATA

    def close(self) -> None:
        """Say goodbye as far as that is possible without waiting, and close."""
        self._machine.close()
        self._send_rest()
        self._wire.close()

    def facts(self, kind: AttemptKind, *, ms: float) -> Attempt:
        """What was seen."""
        machine = self._machine
        completed = self._transcript.completed
        return Attempt(
            kind=kind,
            failure=None if self._transcript.seen.get(SERVER_HELLO) else self._failure(),
            address=self._address,
            ms=ms,
            rtt_ms=self._wire.rtt_s * 1000,
            received_bytes=self._wire.received,
            looks_like_tls=self._looks_like_tls,
            server_hello=SERVER_HELLO in self._transcript.seen,
            tls_version=machine.tls_version,
            cipher=machine.cipher,
            group=machine.group,
            alpn=machine.alpn if completed else None,
            chain=machine.chain,
            verify_errors=tuple(self._transcript.verify_errors),
            hostname_matched=machine.hostname_matched,
            handshake_completed=completed,
            requested=machine.requested,
            requested_late=self._transcript.requested_late,
            acceptable_cas=machine.acceptable_cas() if machine.requested else (),
            signature_algorithms=self._algorithms,
            sent=self._sent(),
            alerts=tuple(self._transcript.alerts),
            local_error=self._local_error,
            ticket_seen=machine.ticket_seen,
            request_sent=self._request_sent,
            ending=self._ending or Ending.LOCAL,
            http=self._exchange.answer(),
        )

    def _sent(self) -> Sent:
        if self._machine.certificate_proven:
            return Sent.CERTIFICATE
        return Sent.EMPTY if self._machine.requested and self._machine.certificate_answered else Sent.NO

    def _failure(self) -> Failure | None:
        """Why not even a ServerHello came; None if TLS itself says why."""
        if self._ending is Ending.TIMEOUT:
            return Failure.TIMEOUT
        if self._ending in (Ending.CLOSED, Ending.RESET) and not self._looks_like_tls:
            return Failure.RESET if self._looks_like_tls is None else None
        return None

    def _shake_hands(self) -> None:
        while not self._machine.handshake():
            self._flush()
            if not self._take():
                return
        self._flush()

    def _read_until(self, enough: Callable[[], bool]) -> None:
        """Read what is there; then wait for more, unless it is enough or the conversation has ended."""
        grace: Deadline | None = None
        while not self._exchange.done:
            data = self._machine.read()
            self._flush()  # answers to renegotiation and key updates
            if data is not None:
                self._feed(data)
            elif enough():
                # An alert or a close may stand right behind a ticket.
                grace = grace or self._wait.or_sooner(max(GRACE_S, GRACE_RTTS * self._wire.rtt_s))
                self._wait = grace
                if not self._take():
                    self._ending = None if self._ending is Ending.TIMEOUT else self._ending
                    return
            elif not self._take():
                return

    def _feed(self, data: bytes) -> None:
        self._data_seen = True
        known = self._exchange.status_known
        self._exchange.feed(data)
        if self._exchange.status_known and not known:
            self._wait = self._wait.or_sooner(TELLING_BODY_S)

    def _take(self) -> bool:
        """Move bytes from the wire to the machine. False, with the ending noted, when none come."""
        data = self._wire.receive(self._wait)
        if data is None:
            self._ending = Ending.TIMEOUT
        elif not data:
            self._ending = Ending.LOCAL if self._wire.budget <= 0 else Ending.CLOSED
        else:
            self._machine.receive(data)
        return bool(data)

    def _flush(self) -> bool:
        output = self._machine.output()
        return self._wire.send(output, self._deadline) if output else True

    def _guard(self, phase: Callable[[], None]) -> None:
        """Run a phase and note how it ended, if it ended the conversation."""
        try:
            phase()
        except CloseNotify:
            self._ending = Ending.CLOSED
        except ConnectionError:
            self._ending = Ending.RESET
        except MachineFailed as failed:
            received = any(alert.received and alert.fatal for alert in self._transcript.alerts)
            self._ending = Ending.ALERT if received else Ending.LOCAL
            self._local_error = "" if received else failed.word
            self._send_rest()  # our own alert still goes out: the server's log should tell the same story
        if self._data_seen and self._ending is not None:
            self._exchange.feed(b"")
            self._ending = Ending.DATA

    def _send_rest(self) -> None:
        with suppress(ConnectionError):
            self._wire.send(self._machine.output(), Deadline(0.0))


def _sni(server_name: str) -> str | None:
    """RFC 6066 section 3: an IP address is never sent as a server name."""
    try:
        ip_address(server_name)
    except ValueError:
        return server_name
    return None
