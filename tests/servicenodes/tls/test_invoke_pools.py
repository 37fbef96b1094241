"""Kept connections: reused, replaced when stale, drained by a promotion, bounded, never lent to another credential."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from certificates.pki.credential import Credential
from servicenodes.tls import invoke_pool, invoke_pools
from servicenodes.tls.invoke import Caller
from servicenodes.tls.judgement import Reason, Verdict
from tests.servers import raw_server
from tests.servicenodes.tls.calls import Backend, call_request, make_call, opened, outcome, refused, serve
from tests.servicenodes.tls.world import world

V = Verdict
R = Reason


@pytest.fixture
def caller() -> Iterator[Caller]:
    with contextlib.closing(Caller()) as made:
        yield made


class Opening:
    """Opens a credential, and counts."""

    def __init__(self, client: str = "good_p256", *, slowly: bool = False) -> None:
        self.client, self.slowly = client, slowly
        self.count = 0

    def __call__(self) -> Credential | None:
        self.count += 1
        if self.slowly:
            time.sleep(0.1)
        return world().clients[self.client]


def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait for what a server notices a moment later."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_connection_and_credential_are_kept(caller: Caller) -> None:
    backend, opening = Backend(), Opening()
    with serve(backend) as peer:
        results = [caller.call(call_request(peer.url + str(n)), open_credential=opening) for n in range(5)]
    assert [result.reused for result in results] == [False, True, True, True, True]
    assert set(results[1].timing_ms) == {"first_byte", "total"}
    assert all(result.certificate_sent for result in results)
    assert (backend.connections, opening.count) == (1, 1)


def test_credential_is_opened_once_for_many_threads_and_origins(caller: Caller) -> None:
    backend, opening = Backend(), Opening(slowly=True)
    with serve(backend) as one, serve(backend) as other, ThreadPoolExecutor(16) as threads:
        urls = [one.url, other.url, one.url.replace("localhost", "127.0.0.1")] * 10
        calls = [threads.submit(caller.call, call_request(url), open_credential=opening) for url in urls]
        assert {call.result().status for call in calls} == {200}
        caller.close()
    assert opening.count == 1


def test_whatever_differs_has_its_own_connection(caller: Caller) -> None:
    backend = Backend()
    with serve(backend) as peer:
        for options in ({}, {"credential_key": "again"}, {"min_tls": "1.3"}, {"server_name": "127.0.0.1"}):
            assert not make_call(caller, peer.url, **options).reused
        assert make_call(caller, peer.url).reused
        assert backend.connections == 4
        caller.close()


def test_connection_of_a_call_that_needs_no_certificate_is_not_kept_for_one_that_does(
    caller: Caller, tmp_path: Path
) -> None:
    """In TLS 1.3 this server asks after the handshake only; who needs the certificate meets it in TLS 1.2."""
    server = world().server
    (tmp_path / "server.pem").write_bytes(server.chain_pem + server.key_pem)
    (tmp_path / "ca.pem").write_bytes(world().root.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode, context.post_handshake_auth = ssl.CERT_REQUIRED, True

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            Backend()(secure)

    with raw_server(talk) as peer:
        url = f"https://localhost:{peer.port}/"
        assert not make_call(caller, url, require_client_certificate=False).certificate_sent
        result = make_call(caller, url)
        assert (result.tls_version, result.certificate_sent) == ("TLSv1.2", True)
        assert make_call(caller, url).reused
        caller.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_connection_closed_by_the_server_is_replaced(caller: Caller, method: str) -> None:
    """Its end is already known when the next call comes, so even a POST is sent, once."""
    backend = Backend(last=1)
    with serve(backend) as peer:
        for _ in range(3):
            assert not make_call(caller, peer.url, method=method).reused
            time.sleep(0.05)
    assert (backend.connections, len(backend.heads)) == (3, 3)


def test_connection_that_ends_just_then_is_replaced_if_the_request_may_be_repeated(caller: Caller) -> None:
    """The server reads the second request and closes without a word: it may have been carried out."""
    backend = Backend(last=1, after=lambda connection: void(connection.recv(65536)))
    with serve(backend) as peer:
        assert not make_call(caller, peer.url).reused
        assert not make_call(caller, peer.url).reused  # tried on the kept one, made on a fresh one
        assert backend.connections == 2
        came = refused(outcome(caller, peer.url, method="POST", body=b"pay"))
        assert (came.verdict, came.reason, came.request_sent) == (V.INCONCLUSIVE, R.BROKEN_OFF, True)
        assert came.text.endswith("Whether the request was carried out is not known.")
        assert backend.connections == 2
        assert make_call(caller, peer.url, method="POST").status == 200


def void(value: object) -> None:
    del value


def test_repeats_only_once(caller: Caller) -> None:
    """A fresh connection that ends without a word is no stale one."""
    backend = Backend(last=1, after=lambda connection: void(connection.recv(65536)))
    with serve(backend) as peer:
        make_call(caller, peer.url)
        backend.last = 0
        came = refused(outcome(caller, peer.url))
        assert (came.verdict, came.reason) == (V.REJECTED, R.SILENT_CLOSE)
        assert backend.connections == 2


def test_server_that_says_close_is_believed(caller: Caller) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    backend = Backend(answer=answer)
    with serve(backend) as peer:
        assert [make_call(caller, peer.url).reused for _ in range(3)] == [False] * 3


def test_words_that_nobody_asked_for_end_a_connection(caller: Caller) -> None:
    """A second answer behind the first must never become the answer to the next request."""
    spare = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    backend = Backend()
    backend.answer += spare

    def speak(connection: ssl.SSLSocket) -> None:
        connection.sendall(spare)
        connection.recv(1)

    with serve(backend) as peer:
        for _ in range(3):
            result = make_call(caller, peer.url)
            assert (result.body, result.reused) == (b"hi", False)
        backend.answer = backend.answer.removesuffix(spare)
        backend.after, backend.last = speak, 1
        for _ in range(3):
            assert make_call(caller, peer.url).body == b"hi"
            time.sleep(0.05)
        caller.close()


# --- Promotions -------------------------------------------------------------------------------------------------------


class Watching(Backend):
    """Counts the connections that are open."""

    open = 0

    def __call__(self, connection: ssl.SSLSocket) -> None:
        self.open += 1
        with contextlib.suppress(OSError):
            super().__call__(connection)
        self.open -= 1


def version(caller: Caller, url: str, number: int) -> tuple[str, bool]:
    """Call with version 1 or 2 of a certificate; which was presented is in the answer's body."""
    client = {1: "good_p256", 2: "good_rsa"}[number]
    result = make_call(caller, url, client, credential_key=("line", number), credential_line="line")
    return result.body.decode(), result.reused


def test_promoted_version_is_used_by_the_next_call_and_the_old_pool_drains(caller: Caller) -> None:
    backend = Watching()
    with serve(backend) as peer:
        version(caller, peer.url, 1)
        assert version(caller, peer.url, 1)[1]
        assert not version(caller, peer.url, 2)[1]
        assert "good-rsa" in peer.recorded()[-1].subject
        until(lambda: backend.open == 1)  # the old one is closed at once, not when it times out
        assert version(caller, peer.url, 2)[1]
        assert not version(caller, peer.url, 1)[1]  # rolled back
        assert "good-p256" in peer.recorded()[-1].subject
        assert version(caller, peer.url, 1)[1]
        until(lambda: backend.open == 1)
        caller.close()
        until(lambda: backend.open == 0)


def test_call_in_flight_survives_a_promotion(caller: Caller) -> None:
    hold, backend = threading.Event(), Watching()

    def slow(connection: ssl.SSLSocket) -> None:
        certificate = connection.getpeercert()
        if certificate and "p256" in str(certificate["subject"]):
            connection.recv(65536)
            hold.wait(5)
            connection.sendall(backend.answer)
            connection.recv(65536)
        else:
            backend(connection)

    with serve(slow) as peer, ThreadPoolExecutor(1) as thread:
        early = thread.submit(version, caller, peer.url, 1)
        time.sleep(0.2)
        assert version(caller, peer.url, 2) == ("hi", False)
        hold.set()
        assert early.result() == ("hi", False)
        assert version(caller, peer.url, 2) == ("hi", True)
        caller.close()


def test_key_is_forgotten_with_its_last_pool(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoke_pools, "POOL_IDLE_S", 0.05)
    opening, backend = Opening(), Watching()
    with serve(backend) as peer:
        caller.call(call_request(peer.url), open_credential=opening)
        assert caller._pools.sweep(time.monotonic())
        assert not caller._pools.sweep(time.monotonic() + 1)
        assert len(caller._pools._holders) == 0
        until(lambda: backend.open == 0)
        caller.call(call_request(peer.url), open_credential=opening)
        assert opening.count == 2
        caller.close()


def test_idle_and_old_connections_are_closed(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Watching()
    with serve(backend) as peer:
        make_call(caller, peer.url)
        caller._pools.sweep(time.monotonic())
        assert backend.open == 1
        caller._pools.sweep(time.monotonic() + invoke_pool.IDLE_S + 1)
        until(lambda: backend.open == 0)
        make_call(caller, peer.url)
        monkeypatch.setattr(invoke_pool, "MAX_AGE_S", 0.0)
        assert not make_call(caller, peer.url).reused
        caller.close()


def test_the_sweeper_works_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invoke_pools, "SWEEP_S", 0.02)
    monkeypatch.setattr(invoke_pool, "IDLE_S", 0.05)
    monkeypatch.setattr(invoke_pools, "POOL_IDLE_S", 0.1)
    backend = Watching()
    with contextlib.closing(Caller()) as caller, serve(backend) as peer:
        make_call(caller, peer.url)
        until(lambda: backend.open == 0)
        until(lambda: not caller._pools._pools and caller._pools._sweeper is None)
        make_call(caller, peer.url)
        caller.close()
        until(lambda: backend.open == 0)
        make_call(caller, peer.url)  # after closing it starts anew, sweeper included
        until(lambda: backend.open == 0)


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_busy_pool_makes_calls_wait_and_says_so() -> None:
    hold, backend = threading.Event(), Backend()

    def slow(connection: ssl.SSLSocket) -> None:
        hold.wait(5)
        backend(connection)

    with contextlib.closing(Caller(max_connections=2)) as caller, serve(slow) as peer, ThreadPoolExecutor(4) as threads:
        early = [threads.submit(make_call, caller, peer.url, timeout_s=5) for _ in range(2)]
        time.sleep(0.2)
        came = refused(outcome(caller, peer.url, timeout_s=0.2))
        assert (came.verdict, came.reason, came.request_sent) == (V.INCONCLUSIVE, R.BUSY, False)
        waiting = [threads.submit(make_call, caller, peer.url, timeout_s=5) for _ in range(2)]
        hold.set()
        assert {call.result().status for call in (*early, *waiting)} == {200}
        assert backend.connections == 2
        caller.close()


def test_too_many_pools_drop_the_oldest() -> None:
    backend = Watching()
    with contextlib.closing(Caller(max_pools=3)) as caller, serve(backend) as peer:
        for number in range(8):
            make_call(caller, peer.url, credential_key=number)
        assert len(caller._pools._pools) == 3
        until(lambda: backend.open == 3)
        assert make_call(caller, peer.url, credential_key=7).reused
        assert not make_call(caller, peer.url, credential_key=0).reused
        caller.close()


def test_forked_child_uses_no_connection_of_its_parent(caller: Caller) -> None:
    """What two processes write into one TLS connection is garbage to the server."""
    backend, opening = Backend(), Opening()
    with serve(backend) as peer:
        caller.call(call_request(peer.url), open_credential=opening)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - measured in the parent only
            try:
                result = caller.call(call_request(peer.url), open_credential=opening)
                os.write(writing, b"%d %d %d" % (result.status, result.reused, opening.count))
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as answer:
            assert answer.read() == b"200 0 2"
        assert caller.call(call_request(peer.url), open_credential=opened("good_p256")).reused
        caller.close()
