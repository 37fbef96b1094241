"""The one request of a test and the reading of its answer: bounded, never decoded, never kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

import h11

from servicenodes.tls.observation import HttpAnswer

MAX_RAW = 64 * 1024  # bytes of the whole answer
LONGEST_STATUS_LINE = 64  # of its beginning, up to the status
USER_AGENT = "botplatform-connection-test"
# Statuses whose body may say what is wrong with the certificate (495 and 496 are nginx's own).
TELLING_STATUSES = frozenset({400, 495, 496})
CERTIFICATE_TEXTS = (
    (b"no required ssl certificate was sent", "no_certificate"),
    (b"the ssl certificate error", "certificate_error"),
)
# The page that nginx and its kind make themselves. Only its beginning tells: the words may stand in any other answer.
_CERTIFICATE_PAGE = re.compile(
    rb"\s*<html>\s*<head>\s*<title>400 (No required SSL certificate was sent|The SSL certificate error)</title>",
    re.IGNORECASE,
)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


class Exchange:
    """One request and its answer. Reads until the status is known, and on for a telling body; `done` says stop.

    Method, path and headers must have been checked by `target`: what is given here is sent as it stands.
    """

    def __init__(self, method: str, path: str, host_header: str, headers: Iterable[tuple[str, str]]) -> None:
        self._start = (method, path, _header_lines(method, host_header, headers))
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._start[2])
        self.request = f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")
        self._reader: h11.Connection | None = None
        self._head = bytearray()
        self._body = bytearray()
        self._status: int | None = None
        self._size = 0
        self.done = False

    def feed(self, data: bytes) -> None:
        """Take application data; an empty one means the end."""
        self._size += len(data)
        if self._reader is not None:
            self._read(data)
        else:
            self._head += data
            self._read_status_line()
        if not data or self._size >= MAX_RAW:
            self.done = True

    @property
    def status_known(self) -> bool:
        return self._status is not None

    def answer(self) -> HttpAnswer | None:
        """What is known by now; None if it was not HTTP."""
        status = self._status
        if status is None:
            line = _STATUS_LINE.match(self._head)
            status = int(line[1]) if line else None
        if status is None:
            return None
        return HttpAnswer(status, certificate_text(status, bytes(self._body)))

    def _read_status_line(self) -> None:
        """Most answers say all that matters in their first line; only the others are worth an HTTP reader."""
        line = _STATUS_LINE.match(self._head)
        if line is None:
            self.done = len(self._head) >= LONGEST_STATUS_LINE or b"\n" in self._head  # not HTTP
            return
        status = int(line[1])
        if status >= 200 and status not in TELLING_STATUSES:
            self._status, self.done = status, True
            return
        method, path, lines = self._start
        self._reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_RAW)
        self._reader.send(h11.Request(method=method, target=path, headers=lines))
        self._reader.send(h11.EndOfMessage())
        self._read(bytes(self._head))

    def _read(self, data: bytes) -> None:
        assert self._reader is not None  # noqa: S101 - both callers have seen to it
        try:
            self._reader.receive_data(data)
            self._read_events(self._reader)
        except h11.RemoteProtocolError:
            self.done = True  # not HTTP, or a head beyond the limit: the status line may still be readable

    def _read_events(self, reader: h11.Connection) -> None:
        while not self.done:
            event = reader.next_event()
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


def certificate_page(status: int, body: bytes) -> str | None:
    """Which complaint about the certificate an answer is, and not only holds: an application has not seen the request.

    The words alone may be an echo of what the caller sent.
    """
    found = _CERTIFICATE_PAGE.match(body[:MAX_RAW]) if status == 400 else None
    return certificate_text(status, found[1] if found else b"") if status in TELLING_STATUSES else None


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
