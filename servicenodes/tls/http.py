"""The one request of a test and the reading of its answer: bounded, never decoded, never kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

import h11

from servicenodes.tls.observation import HttpAnswer

MAX_RAW = 64 * 1024  # bytes of the whole answer
USER_AGENT = "botplatform-connection-test"
# Statuses whose body may say what is wrong with the certificate (495 and 496 are nginx's own).
TELLING_STATUSES = frozenset({400, 495, 496})
CERTIFICATE_TEXTS = (
    (b"no required ssl certificate was sent", "no_certificate"),
    (b"the ssl certificate error", "certificate_error"),
)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


class Exchange:
    """One request and its answer. Reads until the status is known, and on for a telling body; `done` says stop."""

    def __init__(self, method: str, path: str, host_header: str, headers: Iterable[tuple[str, str]]) -> None:
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_RAW)
        lines = _header_lines(method, host_header, headers)
        request = self._machine.send(h11.Request(method=method, target=path, headers=lines)) or b""
        self.request = request + (self._machine.send(h11.EndOfMessage()) or b"")
        self._head = bytearray()
        self._body = bytearray()
        self._status: int | None = None
        self._size = 0
        self.done = False

    def feed(self, data: bytes) -> None:
        """Take application data; an empty one means the end."""
        self._size += len(data)
        if len(self._head) < 64:
            self._head += data[:64]
        try:
            self._machine.receive_data(data)
            self._read_events()
        except h11.RemoteProtocolError:
            self.done = True  # not HTTP, or a head beyond the limit: the status line may still be readable
        if not data or self._size >= MAX_RAW:
            self.done = True

    @property
    def status_known(self) -> bool:
        return self._status is not None

    def answer(self) -> HttpAnswer | None:
        """What is known by now; None if it was not HTTP."""
        status = self._status
        if status is None:
            line = _STATUS_LINE.match(bytes(self._head))
            status = int(line[1]) if line else None
        if status is None:
            return None
        return HttpAnswer(status, certificate_text(status, bytes(self._body)))

    def _read_events(self) -> None:
        while not self.done:
            event = self._machine.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._status = event.status_code
                self.done = event.status_code not in TELLING_STATUSES
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                self.done = True


def certificate_text(status: int, body: bytes) -> str | None:
    """Which known complaint about the certificate an answer holds."""
    if status not in TELLING_STATUSES:
        return None
    lower = body[:MAX_RAW].lower()
    for text, word in CERTIFICATE_TEXTS:
        if text in lower:
            return word
    return {495: "certificate_error", 496: "no_certificate"}.get(status)


def _header_lines(method: str, host_header: str, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers were checked by `target.check_headers`; they win over ours, except for the encoding."""
    ours = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    given = [(name, value) for name, value in headers if name.lower() != "accept-encoding"]
    names = {name.lower() for name, _ in given}
    lines = [("Host", host_header), *((name, value) for name, value in ours.items() if name.lower() not in names)]
    lines += [*given, ("Accept-Encoding", "identity"), ("Connection", "close")]
    if method in {"POST", "PUT", "PATCH"}:
        lines.append(("Content-Length", "0"))
    return lines
