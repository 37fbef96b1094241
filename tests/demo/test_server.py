"""The five faces as a plain client sees them, and what silly clients cannot do to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from pathlib import Path

import pytest

from demo.faces import FACES
from demo.server import LOOPBACK, MAX_HEAD, FaceServer

Bank = dict[str, FaceServer]


def call(server: FaceServer, context: ssl.SSLContext, method: str = "GET", path: str = "") -> tuple[int, bytes]:
    """One HTTPS request. In TLS 1.3 a rejection arrives with the first read: it raises ssl.SSLError all the same."""
    port = server.server_address[1]
    connection = http.client.HTTPSConnection(LOOPBACK, int(port), timeout=5, context=context)
    try:
        connection.request(method, path or server.face.path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_accepts_its_own_client(bank: Bank, trusting: ssl.SSLContext, client_pem: Path) -> None:
    trusting.load_cert_chain(client_pem)
    status, body = call(bank["balance"], trusting)
    assert (status, json.loads(body)) == (200, bank["balance"].face.answer)


def test_it_says_why_it_refuses_a_caller_without_a_certificate(bank: Bank, trusting: ssl.SSLContext) -> None:
    alert = "CERTIFICATE_REQUIRED" if trusting.minimum_version is ssl.TLSVersion.TLSv1_3 else "HANDSHAKE_FAILURE"
    with pytest.raises(ssl.SSLError, match=alert):
        call(bank["balance"], trusting)


def test_it_says_that_it_does_not_know_our_authority(bank: Bank, trusting: ssl.SSLContext, client_pem: Path) -> None:
    trusting.load_cert_chain(client_pem)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        call(bank["transfers"], trusting)


def test_its_own_certificate_has_expired(bank: Bank, trusting: ssl.SSLContext) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        call(bank["cards"], trusting)


@pytest.mark.parametrize("slug", ["branches", "rates"])
def test_two_faces_answer_anybody(bank: Bank, trusting: ssl.SSLContext, slug: str) -> None:
    assert call(bank[slug], trusting)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("OPTIONS", "", 204), ("HEAD", "", 200), ("POST", "", 200), ("DELETE", "", 405), ("GET", "/nowhere", 404)],
)
def test_http(bank: Bank, trusting: ssl.SSLContext, method: str, path: str, status: int) -> None:
    assert call(bank["branches"], trusting, method, path)[0] == status


def test_it_keeps_the_connection(bank: Bank, trusting: ssl.SSLContext, capfd: pytest.CaptureFixture[str]) -> None:
    server = bank["branches"]
    connection = http.client.HTTPSConnection(LOOPBACK, int(server.server_address[1]), timeout=5, context=trusting)
    with contextlib.closing(connection):
        for method in ("GET", "HEAD", "OPTIONS", "GET"):
            connection.request(method, server.face.path)
            assert len(connection.getresponse().read()) == (0 if method in {"HEAD", "OPTIONS"} else 50)
            assert connection.sock is not None
        connection.request("POST", server.face.path, body=b"GET / HTTP/1.1\r\n\r\n")
        assert connection.getresponse().headers["Connection"] == "close"
    assert capfd.readouterr().out.count("on the same connection") == 4


def test_it_listens_on_loopback_only(bank: Bank) -> None:
    assert {server.server_address[0] for server in bank.values()} == {"127.0.0.1"}


SILLY = {
    "plain HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "garbage": bytes(range(256)) * 8,
    "half a hello": b"\x16\x03\x01\x02\x00\x01",
    "nothing": b"",
}


@pytest.mark.parametrize("sent", SILLY.values(), ids=SILLY.keys())
def test_silly_clients_do_no_harm(
    bank: Bank, trusting: ssl.SSLContext, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    server = bank["branches"]
    for _ in range(20):
        with socket.create_connection((LOOPBACK, int(server.server_address[1])), timeout=5) as client:
            client.sendall(sent)
    assert call(server, trusting)[0] == 200
    output = capfd.readouterr()
    assert "Traceback" not in output.out + output.err


def test_a_head_without_end_is_cut_off(bank: Bank, trusting: ssl.SSLContext) -> None:
    port = int(bank["branches"].server_address[1])
    with (
        socket.create_connection((LOOPBACK, port), timeout=5) as raw,
        trusting.wrap_socket(raw, server_hostname=LOOPBACK) as client,
    ):
        client.sendall(b"GET /branches HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD + 4096))
        assert client.recv(100) == b""


def test_the_faces_tell_five_different_truths() -> None:
    assert len({face.verdict for face in FACES}) == 5
