"""A server that answers with what it was asked, and how the node of `conftest` calls it: for tests of the real call."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from servicenodes.models import ServiceNode
from servicenodes.services.invoking import InvokeOutcome, invoke_node
from servicenodes.services.nodes import change_node
from tests.pki import CA
from tests.servers import Peer, python_server


@dataclass(frozen=True)
class Bank:
    """A server that requires a certificate of `authority` and echoes requests as JSON."""

    peer: Peer
    authority: CA
    server_authority: CA

    def clients(self) -> list[str]:
        """The common names of the clients of all connections so far."""
        return [seen.subject.rpartition("commonName=")[2] for seen in self.peer.recorded()]


@contextmanager
def echo_bank(**options: Any) -> Iterator[Bank]:
    authority, server_authority = CA.root("Bank client CA"), CA.root("Bank server CA")
    server = server_authority.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, **{"client_ca": authority, "behaviour": echo, **options}) as peer:
        yield Bank(peer, authority, server_authority)


def echo(connection: ssl.SSLSocket) -> None:
    """Answer requests on one connection until the client goes. `/status/N` answers with that status."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("Content-Length", headers.get("content-length", 0)))
        while len(data) < length:
            data += connection.recv(65536)
        body, data = data[:length], data[length:]
        connection.sendall(answer(first, headers, body, client_of(connection)))


def client_of(connection: ssl.SSLSocket) -> str:
    """The common name of the client's certificate, or nothing."""
    subject: Any = (connection.getpeercert() or {}).get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), "")


def answer(first: str, headers: dict[str, str], body: bytes, client: str) -> bytes:
    method, target, _ = first.split(" ")
    seen = {"method": method, "target": target, "headers": headers, "body": body.decode("latin-1"), "client": client}
    text = json.dumps(seen).encode()
    status = target.split("/")[2] if target.startswith("/status/") else "200"
    extra = "Location: https://169.254.169.254/\r\n" if status == "302" else ""
    kind = "application/json"
    if target.startswith("/html"):
        text, kind = b"<script>alert(1)</script>", "text/html"
    if target.startswith("/binary"):
        text, kind = bytes(range(256)) * 4, "application/octet-stream"
    start = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nSet-Cookie: a=b\r\n{extra}Content-Length: {len(text)}\r\n\r\n"
    )
    return start.encode() + text


VALUES: dict[str, Any] = {"account": "A/1", "note": 'a"b&c', "amount": 12.5}


def call(actor: Actor, node: ServiceNode, **options: Any) -> InvokeOutcome:
    return invoke_node(actor=actor, node=node, **{"variables": VALUES, **options})


def change(actor: Actor, node: ServiceNode, **changes: Any) -> ServiceNode:
    return change_node(actor=actor, node=node, expected_revision=node.revision, **changes)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))
