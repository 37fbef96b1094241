"""Calls to loopback peers with the clients of `world`, and a backend that keeps its connections open."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from certificates.pki.credential import Credential
from servicenodes.tls.invoke import Caller, CallFailed, CallRequest, CallResult, prepare
from servicenodes.tls.invoke_request import Prepared
from tests.servers import Peer, python_server
from tests.servicenodes.tls.world import LOOPBACK, world


def call_request(url: str, client: str = "good_p256", **options: Any) -> Prepared:
    """A GET that presents the client's certificate and insists on it."""
    values: dict[str, Any] = {
        "method": "GET",
        "headers": (),
        "body": b"",
        "credential_key": client,
        "trust": world().trust,
        "address_policy": LOOPBACK,
        "timeout_s": 3.0,
        **options,
    }
    return prepare(CallRequest(url=url, **values))


def opened(client: str) -> Callable[[], Credential | None]:
    """What opens the credential of this client."""
    return lambda: world().clients[client]


def make_call(caller: Caller, url: str, client: str = "good_p256", **options: Any) -> CallResult:
    """Make a call."""
    return caller.call(call_request(url, client, **options), open_credential=opened(client))


def outcome(caller: Caller, url: str, client: str = "good_p256", **options: Any) -> CallResult | CallFailed:
    """Make a call; its result or its failure."""
    try:
        return make_call(caller, url, client, **options)
    except CallFailed as failure:
        return failure


@dataclass
class Backend:
    """Answers every request on a connection, until told otherwise, and keeps what it got."""

    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: value\r\n\r\nhi"
    last: int = 1_000_000  # how many requests it answers on one connection
    after: Callable[[ssl.SSLSocket], None] | None = None

    def __call__(self, connection: ssl.SSLSocket) -> None:
        self.connections += 1
        data = b""
        for _ in range(self.last):
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
            while len(data) < length:
                data += connection.recv(65536)
            self.heads.append(head)
            self.bodies.append(data[:length])
            data = data[length:]
            connection.sendall(self.answer)
        if self.after is not None:
            self.after(connection)


def serve(backend: Callable[[ssl.SSLSocket], None], **options: Any) -> AbstractContextManager[Peer]:
    """A server that requires a certificate of the client CA."""
    return python_server(world().server, client_ca=world().root, behaviour=backend, **options)


def refused(came: CallResult | CallFailed) -> CallFailed:
    """The failure of a call that must not have been made."""
    assert isinstance(came, CallFailed), came
    return came
