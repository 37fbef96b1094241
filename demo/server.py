"""A small HTTPS server on loopback that survives silly clients and lets its TLS alerts arrive."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from http import HTTPStatus

from demo.faces import Face

LOOPBACK = "127.0.0.1"
HANDSHAKE_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 40.0  # longer than the product keeps a connection, so that it is the one to close
LINGER_S = 2.0
MAX_HEAD = 16 * 1024
MAX_CONNECTIONS = 64
METHODS = "GET, HEAD, OPTIONS, POST"
ENDS_HERE = {"connection", "content-length", "transfer-encoding"}


class FaceServer(socketserver.ThreadingTCPServer):
    """One face of the bank on one port; a thread per connection, at most `MAX_CONNECTIONS`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, face: Face, port: int, context: ssl.SSLContext) -> None:
        self.face = face
        self.context = context
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((LOOPBACK, port), _Conversation)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Wait for a free place: a flood must not start threads without end."""
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Give the place back whatever happened."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """One line, never a traceback: a strange client is everyday life for a bank."""
        self.report("connection lost")

    def report(self, what: str) -> None:
        """Say on stdout what this face saw: the bank's side of the story."""
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            sys.stdout.write(f"demo bank · {self.face.slug} · {what}\n")
            sys.stdout.flush()


class _Conversation(socketserver.BaseRequestHandler):
    """One connection: handshake, requests and their answers, an orderly end."""

    server: FaceServer

    def handle(self) -> None:
        self.request.settimeout(HANDSHAKE_TIMEOUT_S)
        tls = self.server.context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        try:
            tls.do_handshake()
            self._converse(tls)
        except ssl.SSLError as error:
            self.server.report(_reason(error))
        except OSError:  # reset, broken pipe, timeout: the client left
            self.server.report("the client left")
        finally:
            _end(tls)

    def _converse(self, tls: ssl.SSLSocket) -> None:
        client = _common_name(tls)
        head = _read_head(tls, REQUEST_TIMEOUT_S)
        if head is None:
            return self.server.report(f"no request from {client}")
        kept = self._answer(tls, head, client)
        while kept:
            head = None
            with contextlib.suppress(OSError):  # nothing more was asked: the usual end of a kept connection
                head = _read_head(tls, IDLE_TIMEOUT_S)
            kept = head is not None and self._answer(tls, head, f"{client} on the same connection")
        return None

    def _answer(self, tls: ssl.SSLSocket, head: str, client: str) -> bool:
        method, _, rest = head.partition(" ")
        kept = _may_be_kept(head)
        status, body = _respond(self.server.face, method, rest.partition(" ")[0].partition("?")[0])
        tls.sendall(_message(status, body, with_body=method != "HEAD", kept=kept))
        self.server.report(f"{method} answered {status.value} to {client}")
        return kept


def _respond(face: Face, method: str, path: str) -> tuple[HTTPStatus, dict[str, object] | None]:
    if path != face.path:
        return HTTPStatus.NOT_FOUND, {"error": f"There is only {face.path} here."}
    if method == "OPTIONS":
        return HTTPStatus.NO_CONTENT, None
    if method not in METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"Use one of {METHODS}."}
    return HTTPStatus.OK, face.answer


def _may_be_kept(head: str) -> bool:
    """Only after a request that surely ended with its head; where a body came along, the connection is closed."""
    lines, _, more = head.lower().partition("\r\n\r\n")
    request, *headers = lines.split("\r\n")
    names = {header.partition(":")[0].strip() for header in headers}
    return request.endswith(" http/1.1") and not more and not names & ENDS_HERE


def _message(status: HTTPStatus, body: dict[str, object] | None, *, with_body: bool, kept: bool) -> bytes:
    content = b"" if body is None else json.dumps(body).encode() + b"\n"
    connection = "keep-alive" if kept else "close"
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Allow: {METHODS}", f"Connection: {connection}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (content if with_body else b"")


def _read_head(tls: ssl.SSLSocket, timeout_s: float) -> str | None:
    """The whole head, and what came with it; None if the client closed, dawdled or sent something else."""
    deadline = time.monotonic() + timeout_s
    data = b""
    while b"\r\n\r\n" not in data:
        remaining = deadline - time.monotonic()
        if remaining <= 0 or len(data) > MAX_HEAD:
            return None
        tls.settimeout(remaining)
        chunk = tls.recv(4096)
        if not chunk:
            return None
        data += chunk
    head = data.decode("ascii", "replace")
    method, _, rest = head.partition("\r\n")[0].partition(" ")
    return head if method.isalpha() and method.isupper() and " HTTP/1." in rest else None


def _common_name(tls: ssl.SSLSocket) -> str:
    """Whom the server believes to talk to. Only a verified certificate is reported here, so the CA vouches for it."""
    certificate = tls.getpeercert()
    if not certificate:
        return "a caller without a certificate"
    names = [value for rdn in certificate.get("subject", ()) for key, value in rdn if key == "commonName"]  # type: ignore[misc]
    return repr(names[0]) if names else "a caller without a name"


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"refused the caller: {error.verify_message}"
    reason = (error.reason or "not TLS").lower().replace("_", " ")
    _, alert, described = reason.partition(" alert ")
    return f"the caller hung up: {described}" if alert else f"refused the caller: {reason}"


def _end(tls: ssl.SSLSocket) -> None:
    """Close so that what was sent arrives: closing with unread data in the buffer would reset the connection and
    destroy an alert under way.
    """
    deadline = time.monotonic() + LINGER_S
    with contextlib.suppress(OSError, ValueError):
        tls.shutdown(socket.SHUT_WR)
        while (remaining := deadline - time.monotonic()) > 0:
            tls.settimeout(remaining)
            if not tls.recv(4096):
                break
    tls.close()
