"""One TLS connection over a wire, and what was seen of it: what a test's attempt and the runtime's call share.

A test predicts a call because both shake hands here, with the same machine, and note the same facts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from OpenSSL import SSL

from servicenodes.tls.machine import CloseNotify, Machine, MachineFailed
from servicenodes.tls.observation import Attempt, AttemptKind, Ending, Failure, HttpAnswer, Sent
from servicenodes.tls.transcript import SERVER_HELLO, Transcript
from servicenodes.tls.wire import Deadline, Wire


class Link:
    """Drives the TLS machine over a wire. `ending` says how the conversation ended, None while it goes on."""

    def __init__(
        self, context: SSL.Context, server_name: str, wire: Wire, *, address: str, deadline: Deadline, observe: bool
    ) -> None:
        self.deadline = self.wait = deadline  # for sending; for receiving, which may be shorter
        self.ending: Ending | None = None
        self.request_sent = False
        self._wire = wire
        self._address = address
        self._transcript = Transcript(server_name, observe)
        self._machine = Machine(context, self._transcript, sni=_sni(server_name))
        self._local_error = ""
        self._looks_like_tls: bool | None = None
        self._algorithms: tuple[str, ...] = ()
        self._shaken: Attempt | None = None

    def handshake(self) -> bool:
        """Up to our Finished. False if it failed, or if the server is not to be trusted."""
        self.guard(self._shake_hands)
        self._looks_like_tls = self._machine.looks_like_tls
        if self.ending is None and (self._transcript.verify_errors or not self._machine.hostname_matched):
            self.ending = Ending.LOCAL
        return self.ending is None

    @property
    def sent(self) -> Sent:
        """What we answered to a certificate request."""
        if self._machine.certificate_proven:
            return Sent.CERTIFICATE
        return Sent.EMPTY if self._machine.requested and self._machine.certificate_answered else Sent.NO

    def close(self) -> None:
        """Say goodbye as far as that is possible without waiting, and close."""
        self._machine.close()
        self._send_rest()
        self._wire.close()

    def facts(self, kind: AttemptKind, *, ms: float, http: HttpAnswer | None) -> Attempt:
        """What was seen. The handshake is read once, and again only if there was another one."""
        if self._shaken is None or self._transcript.requested_late:
            self._shaken = self._handshake_facts(kind)
        return replace(
            self._shaken,
            ms=ms,
            received_bytes=self._wire.received,
            alerts=tuple(self._transcript.alerts),
            local_error=self._local_error,
            ticket_seen=self._machine.ticket_seen,
            request_sent=self.request_sent,
            ending=self.ending or Ending.LOCAL,
            http=http,
        )

    def _handshake_facts(self, kind: AttemptKind) -> Attempt:
        machine = self._machine
        completed = self._transcript.completed
        return Attempt(
            kind=kind,
            failure=None if SERVER_HELLO in self._transcript.seen else self._failure(),
            address=self._address,
            rtt_ms=self._wire.rtt_s * 1000,
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
            sent=self.sent,
        )

    def guard(self, phase: Callable[[], None]) -> None:
        """Run a phase and note how it ended, if it ended the conversation."""
        try:
            phase()
        except CloseNotify:
            self.ending = Ending.CLOSED
        except OSError:  # a reset, or what the network says of a connection that it lost
            self.ending = Ending.RESET
        except MachineFailed as failed:
            received = any(alert.received and alert.fatal for alert in self._transcript.alerts)
            self.ending = Ending.ALERT if received else Ending.LOCAL
            self._local_error = "" if received else failed.word
            self._send_rest()  # our own alert still goes out: the server's log should tell the same story

    def take(self) -> bool:
        """Move bytes from the wire to the machine. False, with the ending noted, when none come."""
        data = self._wire.receive(self.wait)
        if data is None:
            self.ending = Ending.TIMEOUT
        elif not data:
            self.ending = Ending.LOCAL if self._wire.budget <= 0 else Ending.CLOSED
        else:
            self._machine.receive(data)
        return bool(data)

    def flush(self) -> bool:
        """Send what the machine wants to say. False when the time is up."""
        output = self._machine.output()
        return self._wire.send(output, self.deadline) if output else True

    def _failure(self) -> Failure | None:
        """Why not even a ServerHello came; None if TLS itself says why."""
        if self.ending is Ending.TIMEOUT:
            return Failure.TIMEOUT
        if self.ending in (Ending.CLOSED, Ending.RESET) and not self._looks_like_tls:
            return Failure.RESET if self._looks_like_tls is None else None
        return None

    def _shake_hands(self) -> None:
        while not self._machine.handshake():
            self.flush()
            if not self.take():
                return
        self.flush()

    def _send_rest(self) -> None:
        with suppress(OSError):
            self._wire.send(self._machine.output(), Deadline(0.0))


def _sni(server_name: str) -> str | None:
    """RFC 6066 section 3: an IP address is never sent as a server name."""
    try:
        ip_address(server_name)
    except ValueError:
        return server_name
    return None
