"""Calls: what is sent, what is refused, and what the answer tells."""

from __future__ import annotations

import contextlib
import logging
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from botplatform.errors import InvalidInput
from certificates.pki.credential import Credential
from servicenodes.errors import CredentialRefused
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.invoke import Caller, CallFailed
from servicenodes.tls.judgement import Layer, Reason, Verdict
from tests.pki import CA
from tests.proxies import connect_proxy
from tests.servers import free_port, python_server, raw_server, wait_until_listening
from tests.servicenodes.tls.calls import Backend, call_request, make_call, opened, outcome, refused, serve
from tests.servicenodes.tls.world import server_certificate, world

V = Verdict
R = Reason


@pytest.fixture
def caller() -> Iterator[Caller]:
    with contextlib.closing(Caller()) as made:
        yield made


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_request_and_answer(caller: Caller) -> None:
    backend = Backend()
    with serve(backend) as peer:
        headers = (("X-One", "1"), ("Content-Type", "text/plain"))
        result = make_call(caller, peer.url + "a/b?c=d", method="post", headers=headers, body=b"body")
    assert (result.status, result.body, result.truncated, result.location) == (200, b"hi", False, None)
    assert ("X-Name", "value") in result.headers
    assert set(result.timing_ms) == {"resolve", "connect", "handshake", "first_byte", "total"}
    assert result.timing_ms["total"] >= result.timing_ms["first_byte"] > 0
    assert backend.bodies == [b"body"]
    assert backend.heads[0].split(b"\r\n") == [
        b"POST /a/b?c=d HTTP/1.1",
        b"Host: localhost:%d" % peer.port,
        b"User-Agent: botplatform",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"X-One: 1",
        b"Content-Type: text/plain",
        b"Content-Length: 4",
    ]


def test_a_header_of_the_node_replaces_ours_and_is_not_decoded(caller: Caller) -> None:
    backend = Backend(answer=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")
    with serve(backend) as peer:
        result = make_call(caller, peer.url, headers=(("accept-encoding", "gzip"), ("User-Agent", "mine")))
    assert result.body == b"\x1f\x8b\x08"
    lines = backend.heads[0].lower().split(b"\r\n")
    assert lines.count(b"accept-encoding: gzip") == 1
    assert not any(b"identity" in line for line in lines)


@pytest.mark.parametrize(
    "headers",
    [
        (("Host", "other.example"),),
        (("content-length", "3"),),
        (("Transfer-Encoding", "chunked"),),
        (("Connection", "close"),),
        (("Upgrade", "h2c"),),
        (("Proxy-Authorization", "x"),),
        (("X-A", "b\r\nX-C: d"),),
        (("X A", "b"),),
        (("X-A", "größer"),),
        (("X-A", "b\0"),),
    ],
)
def test_header_that_may_not_be_sent(caller: Caller, headers: tuple[tuple[str, str], ...]) -> None:
    backend = Backend()
    with serve(backend) as peer, pytest.raises(InvalidInput):
        make_call(caller, peer.url, headers=headers)
    assert backend.connections == 0


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GE T", "GET\r\n", ""])
def test_method_that_may_not_be_sent(caller: Caller, method: str) -> None:
    with pytest.raises(InvalidInput):
        make_call(caller, "https://localhost/", method=method)


def test_head_has_no_body(caller: Caller) -> None:
    with serve(Backend(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")) as peer:
        assert make_call(caller, peer.url, method="HEAD").body == b""
        assert make_call(caller, peer.url, method="HEAD").reused


def test_redirect_is_told_and_not_followed(caller: Caller) -> None:
    touched = threading.Event()
    with raw_server(lambda connection: touched.set()) as other:
        for target in (f"https://localhost:{other.port}/", "http://169.254.169.254/latest/meta-data/"):
            answer = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target.encode()
            with serve(Backend(answer=answer)) as peer:
                result = make_call(caller, peer.url)
                assert (result.status, result.location) == (302, target)
    assert not touched.is_set()


def test_proxy_variables_are_not_read(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve(Backend()) as peer:
        assert make_call(caller, peer.url).status == 200


def test_proxy_gets_the_checked_address(caller: Caller) -> None:
    with serve(Backend()) as peer, connect_proxy() as (proxy, asked):
        for _ in range(3):
            result = make_call(caller, peer.url, proxy=f"http://127.0.0.1:{proxy.port}")
            assert result.status == 200
        assert [authority in (f"127.0.0.1:{peer.port}", f"[::1]:{peer.port}") for authority in asked] == [True]


def test_nothing_of_a_request_is_logged_or_shown(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request = call_request("https://localhost/?key=canary", headers=(("Authorization", "canary"),), body=b"canary")
    assert "canary" not in repr(request)
    with serve(Backend(answer=b"HTTP/1.1 200 OK\r\nX: canary\r\nContent-Length: 6\r\n\r\ncanary")) as peer:
        result = make_call(caller, peer.url, headers=(("Authorization", "canary"),))
    assert "canary" not in repr(result)
    assert "canary" not in caplog.text


# --- Fail closed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_server_that_never_asks_gets_no_request(caller: Caller, tls: str) -> None:
    backend = Backend()
    with python_server(world().server, tls=tls, behaviour=backend) as peer:
        came = refused(outcome(caller, peer.url))
        assert (came.verdict, came.reason, came.request_sent) == (V.NOT_REQUESTED, R.NEVER_ASKED, False)
        assert backend.heads == []
        result = make_call(caller, peer.url, require_client_certificate=False)
        assert (result.status, result.certificate_requested, result.certificate_sent) == (200, False, False)
        # The connection that was allowed is not lent to a call that insists.
        assert refused(outcome(caller, peer.url)).verdict is V.NOT_REQUESTED
        assert len(backend.heads) == 1


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_untrusted_server_gets_neither_certificate_nor_request(caller: Caller, tls: str) -> None:
    for ca, san in ((CA.root("Nobody"), ("localhost",)), (world().server_root, ("elsewhere.example",))):
        backend = Backend()
        certificate = server_certificate(ca, san=san)
        with python_server(
            certificate, client_ca=world().root, tls=tls, mode=ssl.CERT_OPTIONAL, behaviour=backend
        ) as peer:
            for require in (True, False):
                came = refused(outcome(caller, peer.url, require_client_certificate=require))
                assert came.verdict in (V.SERVER_UNTRUSTED, V.HOSTNAME_MISMATCH)
                assert not came.request_sent
            assert peer.recorded() == []
            assert backend.heads == []


def test_server_name_is_verified_instead_of_the_host(caller: Caller) -> None:
    backend = Backend()
    certificate = server_certificate(world().server_root, san=("bank.example",))
    with python_server(certificate, client_ca=world().root, behaviour=backend) as peer:
        assert make_call(caller, peer.url, server_name="bank.example").status == 200
        assert refused(outcome(caller, peer.url)).verdict is V.HOSTNAME_MISMATCH
    assert backend.heads[0].split(b"\r\n")[1] == b"Host: localhost:%d" % peer.port


def test_certificate_goes_only_to_its_hosts(caller: Caller) -> None:
    backend = Backend()
    asked: list[bool] = []

    def open_it() -> None:
        asked.append(True)

    with serve(backend) as peer:
        for options in (
            {"allowed_hosts": ("bank.example",)},
            {"allowed_hosts": ("localhost",), "server_name": "other.example"},
        ):
            with pytest.raises(CallFailed) as caught:
                caller.call(call_request(peer.url, **options), open_credential=open_it)
            came = caught.value
            assert (came.verdict, came.reason, came.layer) == (
                V.CERTIFICATE_UNUSABLE,
                R.HOST_NOT_ALLOWED,
                Layer.POLICY,
            )
            assert came.text == "The certificate may not be presented to localhost. The request was not sent."
        assert backend.connections == 0
        assert asked == []
        assert make_call(caller, peer.url, allowed_hosts=("bank.example", "LocalHost.")).status == 200


def test_forbidden_address_is_not_touched(caller: Caller) -> None:
    backend = Backend()
    with serve(backend) as peer:
        came = refused(outcome(caller, peer.url, address_policy=AddressPolicy()))
        assert (came.verdict, came.reason, came.phase) == (V.ADDRESS_DENIED, R.ADDRESS_NOT_ALLOWED, "policy")
        # A kept connection of a looser policy is not used either.
        assert make_call(caller, peer.url).status == 200
        assert refused(outcome(caller, peer.url, address_policy=AddressPolicy())).verdict is V.ADDRESS_DENIED
    assert len(backend.heads) == 1


def test_a_name_is_resolved_once_and_its_checked_address_called() -> None:
    answers = [["127.0.0.1"], ["169.254.169.254"], ["169.254.169.254"]]
    backend = Backend()
    with contextlib.closing(Caller(resolver=lambda host, port: answers.pop(0))) as caller, serve(backend) as peer:
        assert [make_call(caller, peer.url).reused for _ in range(3)] == [False, True, True]
        assert len(answers) == 2
        came = refused(outcome(caller, peer.url, credential_key="other"))
        assert came.verdict is V.ADDRESS_DENIED


def test_certificate_that_the_engine_does_not_take(caller: Caller) -> None:
    other = world().issuing.issue("other.example").private_key
    issued = world().issuing.issue("mixed-up.example").credential()
    mixed_up = Credential(issued.leaf, issued.chain, other, issued.spki_sha256)
    backend = Backend()
    with serve(backend) as peer, pytest.raises(CallFailed) as caught:
        caller.call(call_request(peer.url), open_credential=lambda: mixed_up)
    assert (caught.value.verdict, caught.value.reason) == (V.CERTIFICATE_UNUSABLE, R.ENGINE_REFUSED)
    assert backend.connections == 0


def test_what_opening_raises_is_passed_on_and_tried_again(caller: Caller) -> None:
    def sealed() -> None:
        raise CredentialRefused("The keyring is missing.")

    with serve(Backend()) as peer:
        for _ in range(2):
            with pytest.raises(CredentialRefused, match="keyring"):
                caller.call(call_request(peer.url), open_credential=sealed)
        assert caller.call(call_request(peer.url), open_credential=opened("good_p256")).status == 200


def test_request_after_the_request_in_tls_1_2(caller: Caller, tmp_path: Path) -> None:
    """A limit, named: who asks by renegotiation counts as not asking. With leave, the certificate goes then."""
    (tmp_path / "server.pem").write_bytes(world().server.chain_pem + world().server.key_pem)
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_2", "-cert", str(tmp_path / "server.pem")]
    command += ["-key", str(tmp_path / "server.pem"), "-no_resumption_on_reneg", "-crlf"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        try:
            wait_until_listening(port, server)
            url = f"https://localhost:{port}/"
            assert refused(outcome(caller, url)).verdict is V.NOT_REQUESTED
            stdin = server.stdin
            for delay, line in ((0.5, b"R\n"), (1.0, b"HTTP/1.1 200 OK\nContent-Length: 3\n\nhi\n")):
                threading.Timer(delay, lambda text=line: (stdin.write(text), stdin.flush())).start()
            result = make_call(caller, url, require_client_certificate=False)
        finally:
            server.terminate()
    assert (result.status, result.body) == (200, b"hi\r")
    assert result.certificate_requested
    assert result.certificate_sent


def test_deadline_covers_everything(caller: Caller) -> None:
    def slow(host: str, port: int) -> list[str]:
        time.sleep(0.6)
        return ["127.0.0.1"]

    with contextlib.closing(Caller(resolver=slow)) as late:
        started = time.monotonic()
        came = refused(outcome(late, "https://localhost:9/", timeout_s=0.2))
        assert time.monotonic() - started < 0.5
        assert (came.verdict, came.reason) == (V.NETWORK_ERROR, "dns_failed")
        time.sleep(0.5)
