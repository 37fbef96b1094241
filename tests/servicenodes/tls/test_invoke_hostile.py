"""Backends that misbehave: every call ends in time, in bounded memory, with the right reason."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from servicenodes.tls.invoke import MAX_BODY, Caller, CallResult
from servicenodes.tls.judgement import Reason, Verdict
from tests.servers import raw_server
from tests.servicenodes.tls.calls import make_call, outcome, refused, serve

V = Verdict
R = Reason
TIMEOUT_S = 1.5
MEMORY = 32 * 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
Behaviour = Callable[[ssl.SSLSocket], None]


@pytest.fixture
def caller() -> Iterator[Caller]:
    with contextlib.closing(Caller()) as made:
        yield made


def says(*parts: bytes, drip_s: float = 0.0, times: int = 1) -> Behaviour:
    """Reads the request, sends the first part, then the others `times` times, and closes."""

    def behave(connection: ssl.SSLSocket) -> None:
        connection.recv(65536)
        connection.sendall(parts[0])
        for _ in range(times):
            for part in parts[1:]:
                connection.sendall(part)
                time.sleep(drip_s)

    return behave


FOR_EVER = 1_000_000
# Name, behaviour, reason of the verdict `inconclusive`; None: there is an answer.
CASES: list[tuple[str, Behaviour, str | None]] = [
    ("head by drops", says(OK, b"X: y\r\n", drip_s=0.05, times=FOR_EVER), R.TOO_SLOW),
    ("body by drops", says(OK + b"Content-Length: 1000000\r\n\r\n", b"x", drip_s=0.05, times=FOR_EVER), R.TOO_SLOW),
    ("continues for ever", says(b"", b"HTTP/1.1 100 Continue\r\n\r\n", times=FOR_EVER), R.TOO_SLOW),
    ("silence", says(b"", b"", drip_s=2), R.SILENCE),
    ("10 MB of headers", says(OK, b"X: " + b"y" * 10_000 + b"\r\n", times=1000), R.TOO_LARGE),
    ("one endless header", says(OK + b"X: ", b"y" * 16384, times=FOR_EVER), R.TOO_LARGE),
    ("endless chunk head", says(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x" * 16384, times=FOR_EVER), None),
    ("endless trailers", says(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 999, times=999), None),
    ("closes in the head", says(OK + b"Content-"), R.BROKEN_OFF),
    ("closes in the body", says(OK + b"Content-Length: 100\r\n\r\nhalf"), R.BROKEN_OFF),
    ("closes in a chunk", says(OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf"), R.BROKEN_OFF),
    ("body until a bare end", says(OK + b"\r\nhalf?"), R.BROKEN_OFF),
    ("chunk of no size", says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), R.BROKEN_OFF),
    ("two lengths", says(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), R.NOT_HTTP),
    ("no HTTP", says(b"\x00\x01\x02\r\n\r\n"), R.NOT_HTTP),
    ("HTTP/2", says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), R.NOT_HTTP),
    ("switches", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), R.NOT_HTTP),
]
# The limit of a chunk's head and of trailers is named by h11 as that of the head.
CASES = [(name, behaviour, R.TOO_LARGE if name.startswith("endless") else reason) for name, behaviour, reason in CASES]


@pytest.mark.parametrize(("behaviour", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_answer_that_cannot_be_used(caller: Caller, behaviour: Behaviour, reason: str) -> None:
    with serve(behaviour) as peer:
        tracemalloc.start()
        started = time.monotonic()
        came = refused(outcome(caller, peer.url, method="POST", timeout_s=TIMEOUT_S))
        took, (_, peak) = time.monotonic() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not caller._pools._pools or all(not pool._idle for pool in caller._pools._pools.values())
    assert (came.verdict, came.reason) == (V.INCONCLUSIVE, reason), came
    assert took < TIMEOUT_S + 0.5
    assert peak < MEMORY


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 1000000000\r\n\r\n",
        b"\r\n",
        b"Content-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
    ],
    ids=["length", "endless", "gzip", "chunk"],
)
def test_body_without_end_is_cut_off(caller: Caller, head: bytes) -> None:
    with serve(says(OK + head, b"\x1f\x8b\x08" + b"\0" * 16381, times=FOR_EVER)) as peer:
        tracemalloc.start()
        result = make_call(caller, peer.url, timeout_s=20)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (result.status, result.truncated, len(result.body)) == (200, True, MAX_BODY)
    assert result.body.startswith(b"\x1f\x8b\x08\0")  # as it came
    assert peak < MEMORY


def test_body_at_the_limit_is_whole(caller: Caller) -> None:
    with serve(says(OK + b"Content-Length: %d\r\n\r\n" % MAX_BODY, b"x" * MAX_BODY)) as peer:
        result = make_call(caller, peer.url, timeout_s=20)
    assert (result.truncated, len(result.body)) == (False, MAX_BODY)


def test_answer_before_the_request_is_read(caller: Caller) -> None:
    """The server answers 413 at once and closes while four megabytes are on their way."""
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"

    def behave(connection: ssl.SSLSocket) -> None:
        connection.recv(100)
        connection.sendall(answer)
        time.sleep(0.1)

    for _ in range(5):
        with serve(behave) as peer:
            came = outcome(caller, peer.url, method="POST", body=b"x" * MAX_BODY)
            assert isinstance(came, CallResult), came
            assert (came.status, came.body) == (413, b"big")


def test_large_request_and_large_answer_at_the_same_time(caller: Caller) -> None:
    """A server that answers while it reads must not make both sides wait for each other."""

    def echo(connection: ssl.SSLSocket) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % (800 * 1024) + b"y" * (800 * 1024))
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass

    with serve(echo) as peer:
        result = make_call(caller, peer.url, method="POST", body=b"x" * MAX_BODY, timeout_s=10)
        assert (len(result.body), result.truncated) == (800 * 1024, False)


def test_request_that_nobody_reads(caller: Caller) -> None:
    with serve(says(b"", b"", drip_s=2)) as peer:
        started = time.monotonic()
        came = refused(outcome(caller, peer.url, method="POST", body=b"x" * 20_000_000, timeout_s=TIMEOUT_S))
        assert (came.verdict, came.reason) == (V.INCONCLUSIVE, R.SILENCE)
        assert time.monotonic() - started < TIMEOUT_S + 0.5


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 Connection established\r\n", b"SSH-2.0\r\n"])
def test_proxy_that_does_not_play(caller: Caller, answer: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        time.sleep(TIMEOUT_S)

    with raw_server(behave) as proxy:
        started = time.monotonic()
        came = refused(
            outcome(caller, "https://127.0.0.1:9/", proxy=f"http://127.0.0.1:{proxy.port}", timeout_s=TIMEOUT_S)
        )
        assert came.verdict is V.NETWORK_ERROR
        assert came.reason in ("proxy_refused", "proxy_unreachable")
        assert time.monotonic() - started < TIMEOUT_S + 0.5
