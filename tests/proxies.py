"""A real HTTP proxy on loopback, for tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.servers import Peer, raw_server


@contextlib.contextmanager
def connect_proxy(*, refuse: bool = False) -> Iterator[tuple[Peer, list[str]]]:
    """An HTTP proxy that knows CONNECT only; the list tells which authorities were asked for."""
    asked: list[str] = []

    def talk(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        authority = head.split(b" ")[1].decode()
        asked.append(authority)
        if refuse:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = authority.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=20) as beyond:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(beyond, connection), daemon=True)
            back.start()
            _copy(connection, beyond)
            back.join(5)

    with raw_server(talk) as peer:
        yield peer, asked


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
