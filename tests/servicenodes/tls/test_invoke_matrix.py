"""A test predicts a call: what it accepts the call makes, what it rejects the call reports with the same reason."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicenodes.tls.invoke import Caller, CallFailed, CallResult
from servicenodes.tls.judgement import Certainty, Reason, Verdict
from servicenodes.tls.observation import Failure
from tests.servers import Peer, openssl_server, raw_server
from tests.servicenodes.tls.calls import make_call, outcome
from tests.servicenodes.tls.test_matrix import CELLS, EXPECTED, SERVERS
from tests.servicenodes.tls.test_servers import CASES, TIMEOUT_S, Server
from tests.servicenodes.tls.world import probe, world

V = Verdict
R = Reason
C = Certainty


@pytest.fixture
def caller() -> Iterator[Caller]:
    with contextlib.closing(Caller()) as made:
        yield made


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Peer]:
    kind, tls = request.param
    with SERVERS[kind](world().server, client_ca=world().root, tls=tls, crl=world().crl) as peer:
        yield peer


@pytest.mark.peers
@pytest.mark.parametrize(
    ("server", "kind", "tls", "client"),
    [((kind, tls), kind, tls, client) for kind, tls, client in CELLS],
    indirect=["server"],
    ids=[f"{kind}-tls{tls}-{client}" for kind, tls, client in CELLS],
)
def test_cell(caller: Caller, server: Peer, kind: str, tls: str, client: str) -> None:
    verdict, reason, certainty = EXPECTED[kind, tls][client]
    before = len(server.recorded())
    came = outcome(caller, server.url, client, require_client_certificate=client != "none")
    if verdict is V.ACCEPTED:
        assert isinstance(came, CallResult), came
        assert (came.status, came.tls_version) == (200, f"TLSv{tls}")
        assert came.certificate_requested
        assert came.certificate_sent
        new = server.recorded_after(before)
        assert len(new) == 1
        assert client.replace("_", "-") in new[0].subject
        assert new[0].chain_length in (2, None)
    else:
        assert isinstance(came, CallFailed), came
        assert (came.verdict, came.reason, came.certainty) == (verdict, reason, certainty), came
        assert server.recorded()[before:] == []
        assert came.advice


# What only a whole call runs into; everything else comes to what the test says.
CALL_ONLY = {
    "drip inside": (V.INCONCLUSIVE, R.TOO_SLOW),
    "huge headers": (V.INCONCLUSIVE, R.TOO_LARGE),
    "bomb": None,  # 1,000,000 bytes that nobody decodes
    "endless body": None,  # cut off
    # Insisting on the certificate, the call is not made; the test presents it and says that it makes no difference.
    "closes on the certificate": (V.REJECTED, R.SILENT_CLOSE),
}
MADE = {V.ACCEPTED, V.ACCEPTED_NOT_ENFORCED, V.HTTP_REFUSED}


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "server", "verdict", "reason"), [case[:4] for case in CASES], ids=[case[0] for case in CASES]
)
def test_server(caller: Caller, name: str, server: Server, verdict: V, reason: str) -> None:
    with server() as peer:
        came = outcome(caller, peer.url, timeout_s=TIMEOUT_S)
    expected = CALL_ONLY.get(name, None if verdict in MADE else (verdict, reason))
    if expected is None:
        assert isinstance(came, CallResult), came
        if reason in (R.HTTP_401, R.HTTP_403):
            assert reason == f"http_{came.status}"
    else:
        assert isinstance(came, CallFailed), came
        assert (came.verdict, came.reason) == expected, came
        if verdict in (V.SERVER_UNTRUSTED, V.HOSTNAME_MISMATCH, V.NOT_REQUESTED):
            assert not came.request_sent
            assert came.text.endswith("The request was not sent.")


@pytest.mark.parametrize("size", [100, 4 * 1024 * 1024])
@pytest.mark.parametrize("kind", ["python", "openssl", pytest.param("haproxy", marks=pytest.mark.peers)])
def test_rejection_is_heard_whatever_is_being_sent(caller: Caller, kind: str, size: int) -> None:
    """The server closes while we send: the rest of the body meets a reset, and the alert is found behind it."""
    with SERVERS[kind](world().server, client_ca=world().root, tls="1.3", crl=world().crl) as peer:
        for client, reason in [("expired", R.EXPIRED), ("unknown_ca", R.UNKNOWN_CA), ("revoked", R.REVOKED)] * 4:
            came = outcome(caller, peer.url, client, method="POST", body=b"x" * size)
            assert isinstance(came, CallFailed)
            assert (came.verdict, came.reason, came.certainty) == (V.REJECTED, reason, C.CERTAIN), came


def test_certificate_of_the_wrong_kind(caller: Caller) -> None:
    for tls in ("1.2", "1.3"):
        options = ("-client_sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
        with openssl_server(world().server, client_ca=world().root, tls=tls, options=options) as peer:
            came = outcome(caller, peer.url)
            assert isinstance(came, CallFailed)
            assert came.verdict is V.CERTIFICATE_NOT_SENT
            assert not came.request_sent
            assert make_call(caller, peer.url, "good_rsa").certificate_sent


def test_server_that_asks_in_tls_1_2_only_is_called_in_tls_1_2(caller: Caller, tmp_path: Path) -> None:
    """As a server does that would ask after the handshake in TLS 1.3: the test repeats, and so does the call."""
    asking, later = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    (tmp_path / "server.pem").write_bytes(world().server.chain_pem + world().server.key_pem)
    for context in (asking, later):
        context.load_cert_chain(tmp_path / "server.pem")
    asking.load_verify_locations(cadata=world().root.pem.decode())
    asking.verify_mode = ssl.CERT_REQUIRED
    requests: list[str | None] = []

    def talk(connection: socket.socket) -> None:
        modern = b"\x03\x04" in connection.recv(4096, socket.MSG_PEEK)[43:]
        with (later if modern else asking).wrap_socket(connection, server_side=True) as secure:
            if secure.recv(65536):
                requests.append(secure.version())
                secure.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (403 if modern else 200))

    with raw_server(talk) as peer:
        assert probe(peer.url, world().clients["good_p256"])[1].verdict is V.ACCEPTED
        requests.clear()
        result = make_call(caller, peer.url)
        assert (result.status, result.tls_version, result.certificate_sent) == (200, "TLSv1.2", True)
        assert requests == ["TLSv1.2"]
        came = outcome(caller, peer.url, min_tls="1.3")
        assert isinstance(came, CallFailed)
        assert came.verdict is V.NOT_REQUESTED
        assert requests == ["TLSv1.2"]


def test_reason_for_an_unreachable_proxy(caller: Caller) -> None:
    came = outcome(caller, "https://127.0.0.1:9/", proxy="http://127.0.0.1:9")
    assert isinstance(came, CallFailed)
    assert (came.verdict, came.reason) == (V.NETWORK_ERROR, Failure.PROXY_UNREACHABLE)
