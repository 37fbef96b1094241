"""What servers do beside checking our certificate: be untrusted, never ask, not insist, or misbehave."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from servicenodes.tls.judgement import Certainty, Reason, Verdict
from servicenodes.tls.observation import Ending, Failure
from tests.pki import CA
from tests.proxies import connect_proxy
from tests.servers import (
    Peer,
    free_port,
    haproxy_server,
    nginx_server,
    openssl_server,
    python_server,
    raw_server,
    wait_until_listening,
)
from tests.servicenodes.tls.world import probe, server_certificate, world

V = Verdict
R = Reason
C = Certainty
TIMEOUT_S = 2.5
Server = Callable[[], AbstractContextManager[Peer]]


def _requires(**options: Any) -> AbstractContextManager[Peer]:
    return python_server(world().server, client_ca=world().root, **options)


def _expired_server() -> AbstractContextManager[Peer]:
    now = datetime.now(UTC)
    dates = {"not_before": now - timedelta(days=60), "not_after": now - timedelta(days=1)}
    return python_server(server_certificate(world().server_root, **dates), client_ca=world().root)


def _untrusted_server() -> AbstractContextManager[Peer]:
    return python_server(server_certificate(CA.root("Nobody's root")), client_ca=world().root)


def _other_name() -> AbstractContextManager[Peer]:
    return python_server(server_certificate(world().server_root, san=("elsewhere.example",)), client_ca=world().root)


@contextmanager
def _closed_port() -> Iterator[Peer]:
    yield Peer(free_port())


@contextmanager
def _full_backlog() -> Iterator[Peer]:
    """Listens, never accepts: the greeting is never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=5) as listener:
        yield Peer(int(listener.getsockname()[1]))


def _reads_for_ever(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def _plain_http(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.recv(65536)


def _hang_up(connection: socket.socket) -> None:
    connection.recv(10)


def _drip(connection: socket.socket) -> None:
    connection.recv(65536)
    for byte in b"\x16\x03\x03\x3f\xff\x02" + bytes(200):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def _drip_inside(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def _silence(connection: ssl.SSLSocket) -> None:
    _reads_for_ever(connection)


def _close_at_once(connection: ssl.SSLSocket) -> None:
    """FIN without close_notify, when the request has come."""
    connection.recv(65536)


def _close_if_known(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    if connection.getpeercert(binary_form=True) is None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _endless_body(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"x" * 16384)


def _huge_headers(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(200)))


def _bomb(connection: ssl.SSLSocket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n")
    with contextlib.suppress(OSError):
        connection.sendall(b"\x1f\x8b" + b"\0" * 999_998)


def _status(status: int) -> Callable[[ssl.SSLSocket], None]:
    def answer(connection: ssl.SSLSocket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % status)

    return answer


def _needs_certificate_in_application(connection: ssl.SSLSocket) -> None:
    _status(200 if connection.getpeercert(binary_form=True) else 403)(connection)


def _not_http(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.recv(65536)


OLD = ("-cipher", "DEFAULT@SECLEVEL=0")
OPTIONAL: dict[str, Any] = {"mode": ssl.CERT_OPTIONAL}

# Name, server, expected verdict, reason and certainty.
CASES: list[tuple[str, Server, V, str, C]] = [
    ("untrusted", _untrusted_server, V.SERVER_UNTRUSTED, "unable_to_get_local_issuer_certificate", C.CERTAIN),
    ("expired", _expired_server, V.SERVER_UNTRUSTED, "certificate_has_expired", C.CERTAIN),
    ("other name", _other_name, V.HOSTNAME_MISMATCH, R.NAME_NOT_COVERED, C.CERTAIN),
    ("never asks 1.2", lambda: python_server(world().server, tls="1.2"), V.NOT_REQUESTED, R.NEVER_ASKED, C.CERTAIN),
    ("never asks 1.3", lambda: python_server(world().server), V.NOT_REQUESTED, R.NEVER_ASKED, C.CERTAIN),
    (
        "never asks, 403",
        lambda: python_server(world().server, behaviour=_status(403)),
        V.NOT_REQUESTED,
        R.NEVER_ASKED,
        C.MEDIUM,
    ),
    ("optional", lambda: _requires(**OPTIONAL), V.ACCEPTED_NOT_ENFORCED, R.SAME_WITHOUT_CERTIFICATE, C.CERTAIN),
    (
        "optional in TLS, required by the application",
        lambda: _requires(**OPTIONAL, behaviour=_needs_certificate_in_application),
        V.ACCEPTED,
        R.PROVEN,
        C.PROVEN,
    ),
    ("403 with certificate", lambda: _requires(behaviour=_status(403)), V.HTTP_REFUSED, R.HTTP_403, C.CERTAIN),
    ("401 with certificate", lambda: _requires(behaviour=_status(401)), V.HTTP_REFUSED, R.HTTP_401, C.CERTAIN),
    ("503 with certificate", lambda: _requires(behaviour=_status(503)), V.ACCEPTED, R.PROVEN, C.PROVEN),
    ("plain HTTP", lambda: raw_server(_plain_http), V.NOT_TLS, R.OTHER_PROTOCOL, C.CERTAIN),
    ("SSH", lambda: raw_server(_ssh), V.NOT_TLS, R.OTHER_PROTOCOL, C.CERTAIN),
    ("closed port", _closed_port, V.NETWORK_ERROR, Failure.REFUSED, C.CERTAIN),
    ("hangs up", lambda: raw_server(_hang_up), V.NETWORK_ERROR, Failure.RESET, C.CERTAIN),
    ("black hole", _full_backlog, V.NETWORK_ERROR, Failure.TIMEOUT, C.CERTAIN),
    ("reads for ever", lambda: raw_server(_reads_for_ever), V.NETWORK_ERROR, Failure.TIMEOUT, C.CERTAIN),
    ("drip", lambda: raw_server(_drip), V.NETWORK_ERROR, Failure.TIMEOUT, C.CERTAIN),
    ("silence", lambda: _requires(behaviour=_silence), V.INCONCLUSIVE, R.SILENCE, C.LOW),
    ("closes", lambda: _requires(behaviour=_close_at_once), V.REJECTED, R.SILENT_CLOSE, C.LOW),
    (
        "closes on the certificate",
        lambda: _requires(**OPTIONAL, behaviour=_close_if_known),
        V.REJECTED,
        R.SILENT_CLOSE,
        C.CERTAIN,
    ),
    (
        "closes before the request",
        lambda: _requires(**OPTIONAL, behaviour=lambda connection: None, tickets=False),
        V.REJECTED,
        R.SILENT_CLOSE,
        C.HIGH,
    ),
    ("drip inside", lambda: _requires(behaviour=_drip_inside), V.ACCEPTED, R.PROVEN, C.PROVEN),
    ("endless body", lambda: _requires(behaviour=_endless_body), V.ACCEPTED, R.PROVEN, C.PROVEN),
    ("huge headers", lambda: _requires(behaviour=_huge_headers), V.ACCEPTED, R.PROVEN, C.PROVEN),
    ("bomb", lambda: _requires(behaviour=_bomb), V.ACCEPTED, R.PROVEN, C.PROVEN),
    ("not HTTP", lambda: _requires(**OPTIONAL, behaviour=_not_http), V.INCONCLUSIVE, R.NOT_HTTP, C.LOW),
    (
        "HTTP/2 only",
        lambda: openssl_server(world().server, client_ca=world().root, options=("-alpn", "h2")),
        V.PROTOCOL_MISMATCH,
        R.NO_APPLICATION_PROTOCOL,
        C.CERTAIN,
    ),
    (
        "TLS 1.0 only",
        lambda: openssl_server(world().server, client_ca=world().root, tls="1.0", options=OLD),
        V.PROTOCOL_MISMATCH,
        R.NO_COMMON_VERSION,
        C.CERTAIN,
    ),
    (
        "nginx optional",
        lambda: nginx_server(world().server, client_ca=world().root, verify="optional"),
        V.ACCEPTED_NOT_ENFORCED,
        R.SAME_WITHOUT_CERTIFICATE,
        C.CERTAIN,
    ),
    (
        "haproxy optional",
        lambda: haproxy_server(world().server, client_ca=world().root, verify="optional"),
        V.ACCEPTED_NOT_ENFORCED,
        R.SAME_WITHOUT_CERTIFICATE,
        C.CERTAIN,
    ),
]


@pytest.mark.peers
@pytest.mark.parametrize(("name", "server", "verdict", "reason", "certainty"), CASES, ids=[case[0] for case in CASES])
def test_server(name: str, server: Server, verdict: V, reason: str, certainty: C) -> None:
    with server() as peer:
        started = time.monotonic()
        observation, judgement = probe(peer.url, world().clients["good_p256"], timeout_s=TIMEOUT_S, method="GET")
        took = time.monotonic() - started
        recorded = peer.recorded()
    assert (judgement.verdict, judgement.reason, judgement.certainty) == (verdict, reason, certainty), observation
    assert took < TIMEOUT_S + 1
    assert all(attempt.received_bytes <= 256 * 1024 for attempt in observation.attempts)
    if verdict in (V.SERVER_UNTRUSTED, V.HOSTNAME_MISMATCH):
        assert observation.real is None  # no connection that could have carried the certificate
        assert recorded == []


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_strict_attempt_never_presents_to_an_untrusted_server(tls: str) -> None:
    """Without a control attempt the real one meets the server first, and must stop before our certificate."""
    for ca, san in ((CA.root("Nobody"), ("localhost",)), (world().server_root, ("elsewhere.example",))):
        certificate = server_certificate(ca, san=san)
        with python_server(certificate, client_ca=world().root, tls=tls, mode=ssl.CERT_OPTIONAL) as peer:
            observation, judgement = probe(peer.url, world().clients["good_p256"], control=False)
            assert judgement.verdict in (V.SERVER_UNTRUSTED, V.HOSTNAME_MISMATCH)
            assert observation.real is not None
            assert observation.real.sent == "no"
            assert not observation.real.request_sent
            assert peer.recorded() == []


@pytest.mark.peers
def test_server_that_accepts_any_certificate() -> None:
    """`s_server -Verify` without `-verify_return_error` insists on a certificate and takes every one."""
    options = ("-Verify", "5", "-CAfile", "/dev/null")
    for tls in ("1.2", "1.3"):
        with openssl_server(world().server, client_ca=None, tls=tls, options=options[:2]) as peer:
            _, judgement = probe(peer.url, world().clients["good_p256"], method="GET", canary=True)
            assert (judgement.verdict, judgement.reason) == (V.ACCEPTED_ANY_CERTIFICATE, R.CANARY_ACCEPTED)
            _, judgement = probe(peer.url, world().clients["good_p256"], method="GET")
            assert judgement.verdict is V.ACCEPTED


@pytest.mark.peers
def test_canary_is_refused_by_a_server_that_checks() -> None:
    with nginx_server(world().server, client_ca=world().root) as peer:
        observation, judgement = probe(peer.url, world().clients["good_rsa"], canary=True)
        assert judgement.verdict is V.ACCEPTED
        assert observation.canary is not None
        assert observation.canary.http is not None
        assert observation.canary.http.certificate_text == "certificate_error"


def test_certificate_of_the_wrong_kind_is_not_sent() -> None:
    """The server takes RSA signatures only, our key is P-256: TLS then sends an empty certificate."""
    options = ("-client_sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
    for tls in ("1.2", "1.3"):
        with openssl_server(world().server, client_ca=world().root, tls=tls, options=options) as peer:
            observation, judgement = probe(peer.url, world().clients["good_p256"], method="GET")
            assert judgement.verdict is V.CERTIFICATE_NOT_SENT, observation.real
            assert observation.real is not None
            assert "rsa_pss_rsae_sha256" in observation.real.signature_algorithms
            assert probe(peer.url, world().clients["good_rsa"], method="GET")[1].verdict is V.ACCEPTED


def test_request_without_tickets_waits_but_answers() -> None:
    with _requires(tickets=False) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"])
        assert judgement.verdict is V.ACCEPTED
        assert observation.real is not None
        assert observation.real.ms >= 1000
    with _requires() as peer:
        observation, _ = probe(peer.url, world().clients["good_p256"])
        assert observation.duration_ms < 900  # a ticket ends the waiting


def test_server_that_would_ask_after_the_handshake_is_asked_again_in_tls_1_2(tmp_path: Path) -> None:
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    later = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "server.pem").write_bytes(world().server.chain_pem + world().server.key_pem)
    for context in (asking, later):
        context.load_cert_chain(tmp_path / "server.pem")
    asking.load_verify_locations(cadata=world().root.pem.decode())
    asking.verify_mode = ssl.CERT_REQUIRED

    def talk(connection: socket.socket) -> None:
        modern = b"\x03\x04" in connection.recv(4096, socket.MSG_PEEK)[43:]
        with (later if modern else asking).wrap_socket(connection, server_side=True) as secure:
            _status(403 if modern else 200)(secure)

    with raw_server(talk) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"])
    assert observation.capped_to_tls12
    assert (judgement.verdict, judgement.certainty) == (V.ACCEPTED, C.PROVEN)
    assert "repeated_with_tls12" in {finding.code for finding in judgement.findings}


def test_through_a_proxy() -> None:
    with _requires() as peer, connect_proxy() as (proxy, asked):
        address = f"http://127.0.0.1:{proxy.port}"
        url = f"https://127.0.0.1:{peer.port}/"
        observation, judgement = probe(url, world().clients["good_p256"], proxy=address)
        assert judgement.verdict is V.ACCEPTED
        assert "proxy" in [step.name for step in observation.steps]
        assert asked == [f"127.0.0.1:{peer.port}"] * 2
    with connect_proxy(refuse=True) as (proxy, _):
        _, judgement = probe("https://127.0.0.1:9/", proxy=f"http://127.0.0.1:{proxy.port}")
        assert judgement.reason == Failure.PROXY_REFUSED
    _, judgement = probe("https://127.0.0.1:9/", proxy=f"http://127.0.0.1:{free_port()}")
    assert judgement.reason == Failure.PROXY_UNREACHABLE


def test_steps_come_in_order_while_it_happens() -> None:
    heard: list[str] = []
    with _requires() as peer:
        observation, _ = probe(peer.url, world().clients["good_p256"], on_step=lambda step: heard.append(step.name))
    expected = ["resolve", "connect", "server_hello", "server_certificate", "certificate_request"]
    expected += ["client_certificate", "server_verdict", "http"]
    assert heard == expected
    assert [step.name for step in observation.steps] == expected
    assert observation.real is not None
    assert observation.real.ending is Ending.DATA


def test_request_after_the_request_in_tls_1_2_is_seen_as_late(tmp_path: Path) -> None:
    """`R` on the standard input of s_server renegotiates and asks for a certificate, as some backends do per path."""
    (tmp_path / "server.pem").write_bytes(world().server.chain_pem + world().server.key_pem)
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_2", "-cert", str(tmp_path / "server.pem")]
    command += ["-key", str(tmp_path / "server.pem"), "-no_resumption_on_reneg"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        try:
            wait_until_listening(port, server)
            stdin = server.stdin
            timer = threading.Timer(1.0, lambda: (stdin.write(b"R\n"), stdin.flush()))
            timer.start()
            url = f"https://127.0.0.1:{port}/"
            observation, judgement = probe(url, world().clients["good_p256"], control=False, timeout_s=2.5)
            timer.join()
        finally:
            server.terminate()
    assert observation.real is not None
    assert observation.real.requested_late
    assert observation.real.sent == "certificate"
    assert "requested_late" in {finding.code for finding in judgement.findings}
