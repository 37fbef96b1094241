"""Answers that prove less than they seem to, servers that are moody, and little time: no claim beyond what was seen."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from servicenodes.tls.judgement import Certainty, Reason, Verdict
from servicenodes.tls.observation import AttemptKind
from tests.proxies import connect_proxy
from tests.servers import python_server, raw_server
from tests.servicenodes.tls.world import LOOPBACK, probe, world

V = Verdict
R = Reason
C = Certainty


def _optional(behaviour: Callable[[ssl.SSLSocket], None], **options: Any) -> Any:
    return python_server(world().server, client_ca=world().root, mode=ssl.CERT_OPTIONAL, behaviour=behaviour, **options)


def _answer(connection: ssl.SSLSocket, status: int) -> None:
    if connection.recv(65536):
        connection.sendall(b"HTTP/1.1 %d Status\r\nContent-Length: 0\r\n\r\n" % status)


@pytest.mark.parametrize(
    ("with_ours", "without", "verdict", "reason", "certainty"),
    [
        (200, 503, V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
        (200, 302, V.ACCEPTED, R.CONTROL_INCONCLUSIVE, C.MEDIUM),
        (200, 404, V.ACCEPTED, R.PROVEN, C.HIGH),
        (400, 200, V.INCONCLUSIVE, R.ANSWERS_DIFFER, C.LOW),
        (400, 403, V.INCONCLUSIVE, R.ANSWERS_DIFFER, C.LOW),
        (503, 503, V.INCONCLUSIVE, R.OUT_OF_ORDER, C.LOW),
        (501, 501, V.ACCEPTED_NOT_ENFORCED, R.SAME_WITHOUT_CERTIFICATE, C.MEDIUM),
    ],
)
def test_what_the_control_attempt_proves(
    with_ours: int, without: int, verdict: Verdict, reason: Reason, certainty: Certainty
) -> None:
    def behave(connection: ssl.SSLSocket) -> None:
        _answer(connection, with_ours if connection.getpeercert(binary_form=True) else without)

    with _optional(behave) as peer:
        _, judgement = probe(peer.url, world().clients["good_p256"])
    assert (judgement.verdict, judgement.reason, judgement.certainty) == (verdict, reason, certainty)


def test_a_server_that_closes_at_random_proves_nothing() -> None:
    met: list[int] = []

    def behave(connection: ssl.SSLSocket) -> None:
        met.append(1)
        connection.recv(65536)
        if len(met) > 2:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with _optional(behave) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"])
    assert observation.repeated
    assert (judgement.verdict, judgement.reason) == (V.ACCEPTED, R.CONTROL_INCONCLUSIVE)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_short_timeout_leaves_time_to_ask_a_server_without_tickets(tls: str) -> None:
    with _optional(lambda connection: _answer(connection, 200), tickets=False, tls=tls) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"], timeout_s=1.0)
        assert judgement.verdict is V.ACCEPTED_NOT_ENFORCED, observation
        assert observation.duration_ms < 1000
        observation, _ = probe(peer.url, world().clients["good_p256"], timeout_s=10.0)
        assert 2000 <= observation.duration_ms < 2500  # a second of listening for each of the two attempts


@pytest.fixture
def asks_in_tls_1_2(tmp_path: Path) -> Callable[[socket.socket], None]:
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
            _answer(secure, 403 if modern else 200)

    return talk


def test_rejected_when_asked_again_in_tls_1_2(asks_in_tls_1_2: Callable[[socket.socket], None]) -> None:
    with raw_server(asks_in_tls_1_2) as peer:
        _, judgement = probe(peer.url, world().clients["unknown_ca"])
        assert (judgement.verdict, judgement.reason) == (V.REJECTED, R.UNKNOWN_CA)
        observation, judgement = probe(peer.url, world().clients["good_p256"])
    assert judgement.verdict is V.ACCEPTED
    told = {str(step.name): step.detail for step in observation.steps}
    assert "TLSv1.2" in told["server_hello"]  # the timeline tells of the attempts that were judged
    assert told["client_certificate"].startswith("Presented")


def test_nothing_is_lost_when_tls_1_2_is_not_spoken() -> None:
    with python_server(world().server, behaviour=lambda connection: _answer(connection, 403)) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"])
    assert (judgement.verdict, judgement.certainty) == (V.NOT_REQUESTED, C.MEDIUM)
    assert [step.name for step in observation.steps if step.status == "failed"] == ["http"]
    assert "TLSv1.3" in {str(step.name): step.detail for step in observation.steps}["server_hello"]


def test_a_canary_that_does_not_get_through_leaves_the_timeline_alone() -> None:
    met: list[int] = []

    def talk(connection: socket.socket) -> None:
        met.append(1)
        if len(met) <= 2:
            serve(connection)

    with python_server(world().server, client_ca=world().root) as inner:

        def serve(connection: socket.socket) -> None:
            with socket.create_connection(("127.0.0.1", inner.port)) as beyond:
                _relay(connection, beyond)

        with raw_server(talk) as peer:
            observation, judgement = probe(peer.url, world().clients["good_p256"], canary=True)
    assert judgement.verdict is V.ACCEPTED
    assert observation.canary is not None
    assert observation.canary.kind is AttemptKind.CANARY
    assert observation.canary.failure == "reset"
    assert [step.detail for step in observation.steps if step.status == "failed"] == []


def _relay(one: socket.socket, other: socket.socket) -> None:
    end = time.monotonic() + 5
    one.settimeout(0.02)
    other.settimeout(0.02)
    while time.monotonic() < end:
        for source, sink in ((one, other), (other, one)):
            try:
                data = source.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            sink.sendall(data)


def test_a_proxy_that_cannot_reach_one_address_is_asked_for_the_next() -> None:
    with python_server(world().server, client_ca=world().root) as peer, connect_proxy() as (proxy, asked):
        observation, judgement = probe(
            f"https://localhost:{peer.port}/", world().clients["good_p256"], address_policy=LOOPBACK,
            proxy=f"http://127.0.0.1:{proxy.port}", resolver=lambda host, port: ["127.0.0.9", "127.0.0.1"],
        )  # fmt: skip
    assert judgement.verdict is V.ACCEPTED, observation
    assert asked[:2] == [f"127.0.0.9:{peer.port}", f"127.0.0.1:{peer.port}"]


def test_a_request_longer_than_a_record_arrives_whole() -> None:
    lengths: list[int] = []

    def behave(connection: ssl.SSLSocket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(65536)
        lengths.append(len(head))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    headers = tuple((f"X-{number}", "y" * 4000) for number in range(10))
    with _optional(behave) as peer:
        _, judgement = probe(peer.url, world().clients["good_p256"], headers=headers)
    assert judgement.verdict is V.ACCEPTED_NOT_ENFORCED
    assert min(lengths) > 40_000


def test_a_proxy_that_never_comes_to_the_point_is_left() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with raw_server(behave) as proxy:
        started = time.monotonic()
        url = f"http://127.0.0.1:{proxy.port}"
        _, judgement = probe("https://127.0.0.1:9/", world().clients["good_p256"], proxy=url, timeout_s=2.0)
    assert judgement.reason == "proxy_refused"
    assert time.monotonic() - started < 3
