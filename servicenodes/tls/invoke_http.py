"""HTTP/1.1 over one stream, exchange after exchange (RFC 9112): bounded, never decoded, never following a redirect.

h11 is the protocol; this only moves its bytes. httpcore2 would put a layer of its own between the two, which costs a
fifth of a call's CPU (`bench/calls.py`), and its pool can neither be drained nor replace a stale connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h11

from servicenodes.tls.invoke_request import Prepared
from servicenodes.tls.invoke_stream import CallStream, StreamEnded
from servicenodes.tls.judgement import Reason
from servicenodes.tls.observation import Ending

MAX_BODY = 4 * 1024 * 1024  # bytes; a longer body is cut off there, and the result says so
MAX_HEAD = 64 * 1024  # bytes of status line and headers, of trailers, and of one chunk's head
HEADER_TOO_LARGE = 431  # the status h11 hints at when one of them is longer


@dataclass(slots=True, eq=False)
class Answer:
    """What has come of an answer so far; after a failure, how far it came. `status` None: not even a head."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    truncated: bool = False


class BrokenAnswer(Exception):
    """What came is not HTTP, its head is too large, or its body is not complete."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class HttpConnection:
    """The HTTP side of a connection. `idle`: the last exchange is complete, and another may follow."""

    def __init__(self, stream: CallStream) -> None:
        self._stream = stream
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self.idle = False

    def exchange(self, prepared: Prepared, answer: Answer) -> None:
        """Send the request and read the answer into `answer`. Raises `BrokenAnswer` and `StreamEnded`."""
        self.idle = False
        self._send(prepared)
        machine = self._machine
        try:
            self._read(answer)
        except h11.RemoteProtocolError as error:
            too_large = error.error_status_hint == HEADER_TOO_LARGE
            raise BrokenAnswer(Reason.TOO_LARGE if too_large else self._defect(answer)) from None
        except StreamEnded:
            if self._stream.first_byte_at and self._stream.ending is not Ending.TIMEOUT:
                raise BrokenAnswer(self._defect(answer)) from None
            raise
        done = machine.our_state is h11.DONE and machine.their_state is h11.DONE
        if done and not machine.trailing_data[0]:  # what stands behind this answer would pass for the next one
            machine.start_next_cycle()
            self.idle = True

    def _send(self, prepared: Prepared) -> None:
        machine, body = self._machine, prepared.request.body
        self._stream.write(machine.send(prepared.head) or b"")
        if body:
            self._stream.write(machine.send(h11.Data(data=body)) or b"")
        machine.send(h11.EndOfMessage())

    def _read(self, answer: Answer) -> None:
        machine, stream = self._machine, self._stream
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                machine.receive_data(stream.read())
            elif isinstance(event, h11.Data):
                answer.body += event.data
                if len(answer.body) > MAX_BODY:
                    del answer.body[MAX_BODY:]
                    answer.truncated = True
                    return
            elif isinstance(event, h11.EndOfMessage):
                return
            elif isinstance(event, h11.Response):
                answer.status = event.status_code
                lines = event.headers.raw_items()
                answer.headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in lines)
            elif not isinstance(event, h11.InformationalResponse):
                raise BrokenAnswer(Reason.BROKEN_OFF)

    def _defect(self, answer: Answer) -> Reason:
        waiting = self._machine.trailing_data[0]
        http = answer.status is not None or waiting.startswith(b"HTTP/1.")
        return Reason.BROKEN_OFF if http else Reason.NOT_HTTP
