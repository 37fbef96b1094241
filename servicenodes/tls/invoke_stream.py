"""The stream of bytes that a call's HTTP connection works on: our own link, kept open between exchanges.

The request is held until the first read, so that head and body leave in as few records as possible, and so that the
server's word is heard whatever becomes of the sending: a server that rejects our certificate answers with an alert and
closes, and the rest of a large body then meets a reset. Reading goes on, and finds the alert.
"""

from __future__ import annotations

import time

from OpenSSL import SSL

from servicenodes.tls.link import Link
from servicenodes.tls.machine import CloseNotify
from servicenodes.tls.observation import Ending
from servicenodes.tls.wire import Deadline, Wire

MAX_RECEIVED = 64 * 1024 * 1024  # bytes on the wire for one answer, framing included; its body has a limit of its own
MAX_EARLY = 1024 * 1024  # bytes of an answer that comes while we are still sending
RECORD = 16384


class StreamEnded(Exception):
    """The stream gives no more bytes, and the answer is not complete. `CallStream.ending` says how it ended."""


class CallStream(Link):
    """One connection to a service, used by one call at a time; every wait in it ends with that call's deadline."""

    def __init__(self, context: SSL.Context, server_name: str, wire: Wire, *, address: str, deadline: Deadline) -> None:
        super().__init__(context, server_name, wire, address=address, deadline=deadline, observe=False)
        self.first_byte_at = 0.0
        self.wrote = False  # whether any byte of the request was handed to the kernel
        self.closed = False
        self.tls_version: str | None = None
        self._outgoing: list[bytes] = []
        self._incoming = b""
        self._early = bytearray()
        self._goodbye = False

    def handshake(self) -> bool:
        """Up to our Finished. False if it failed, or if the server is not to be trusted."""
        going_on = super().handshake()
        self.tls_version = self._machine.tls_version
        self._machine.forget_handshake()
        return going_on

    @property
    def requested(self) -> bool:
        """Whether the server asked for a client certificate."""
        return self._machine.requested

    def begin(self, deadline: Deadline) -> None:
        """Make ready for one more exchange."""
        self.deadline = self.wait = deadline
        self.first_byte_at = 0.0
        self.wrote = self.request_sent = False
        self._wire.budget = MAX_RECEIVED

    def is_alive(self) -> bool:
        """Whether an idle connection can be used: nothing has come, or nothing but tickets and the like.

        Words that nobody asked for would pass for the answer to the next request.
        """
        self.wait = Deadline(0.0)
        self._wire.budget = RECORD
        self.guard(self._look)
        return self.ending is None and not self._incoming

    def write(self, data: bytes) -> None:
        """Hold until the first read."""
        self._outgoing.append(data)

    def read(self) -> bytes:
        """Some bytes of the answer, `b""` if the server has said in TLS that it is complete. Raises `StreamEnded`.

        A bare end of the connection is no end of an answer: anybody on the way can bring it about (RFC 9112, 9.8).
        """
        if self.ending is None:
            self.guard(self._exchange)
        if self._early:
            self._incoming = bytes(self._early)
            self._early.clear()
        if self._incoming:
            self.first_byte_at = self.first_byte_at or time.monotonic()
            data, self._incoming = self._incoming, b""
            return data
        if self._goodbye and self.first_byte_at:
            return b""
        raise StreamEnded

    def close(self) -> None:
        """Say goodbye as far as that is possible without waiting, and close."""
        if not self.closed:
            self.closed = True
            super().close()

    def abandon(self) -> None:
        """Let go without a word: another process owns the connection."""
        self.closed = True
        self._wire.close()

    def _exchange(self) -> None:
        if self._outgoing:
            self._send()
            if self._early or self.ending is not None:
                return
        elif self._read_machine():
            return
        while self.take():
            if self._read_machine():
                return
            self.flush()  # answers to renegotiation and key updates

    def _look(self) -> None:
        heard = self._wire.readable
        if heard and not self.take():
            return
        if not self._read_machine() and heard:
            self.flush()

    def _read_machine(self) -> bool:
        try:
            self._incoming = self._machine.read() or b""
        except CloseNotify:
            self._goodbye = True
            raise
        return bool(self._incoming)

    def _send(self) -> None:
        """Send what is held. A connection that breaks meanwhile is no failure yet: what was received will tell."""
        rest = memoryview(b"".join(self._outgoing))
        self._outgoing.clear()
        try:
            while rest:
                taken = self._machine.write(rest[:RECORD])
                if not (self._push() and (taken or self._take_early())):
                    return
                rest = rest[taken:]
            self.request_sent = True
        except OSError:
            return

    def _push(self) -> bool:
        """Move the machine's output to the wire, and take what comes while that has to wait."""
        output = memoryview(self._machine.output())
        while output:
            count = self._wire.send_some(output, self.deadline)
            if count is None:
                self.ending = Ending.TIMEOUT
                return False
            if count == 0 and not self._take_early():
                return False
            self.wrote = self.wrote or count > 0
            output = output[count:]
        return True

    def _take_early(self) -> bool:
        """Receive while still sending: an answer before its time, or the server's part of a renegotiation."""
        if not self.take():
            return False
        while self._read_machine():
            self._early += self._incoming
            self._incoming = b""
            if len(self._early) > MAX_EARLY:
                self.ending = Ending.LOCAL
                return False
        return True
