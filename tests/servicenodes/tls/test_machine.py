"""What the engine's callbacks are called by, what is kept, and what never shows."""

from __future__ import annotations

import gc
import json
import pickle
import time
import weakref
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL

from servicenodes.errors import CredentialRefused
from servicenodes.tls import context, transcript
from servicenodes.tls.context import ContextSpec, build_context, context_for, forget_contexts
from servicenodes.tls.http import MAX_RAW, Exchange
from servicenodes.tls.judgement import Verdict
from servicenodes.tls.machine import Machine
from servicenodes.tls.observation import AttemptKind
from servicenodes.tls.report import ClientSide, build_report
from servicenodes.tls.transcript import Transcript
from tests.servers import python_server
from tests.servicenodes.tls.world import probe, world

REPORT_KEYS = {
    *("node", "url", "started_at", "duration_ms", "verdict", "reason", "certainty", "layer", "summary", "advice"),
    *("steps", "server", "certificate_request", "client_certificate", "attempts", "http", "findings"),
    *("suggested_certificates", "reproduce"),
}


def _talk_in_memory(tls: str) -> Transcript:
    """Our machine against a server machine of the same engine, without a socket."""
    client = world().clients["good_p256"]
    server_context = SSL.Context(SSL.TLS_SERVER_METHOD)
    server_context.use_certificate(world().server.certificate)
    server_context.use_privatekey(world().server.private_key)
    server_context.set_verify(SSL.VERIFY_PEER, lambda *arguments: True)
    server = SSL.Connection(server_context, None)
    server.set_accept_state()
    seen = Transcript("localhost", observe=False)
    spec = ContextSpec(AttemptKind.REAL, world().trust, min_tls="1.2", max_tls=tls, credential=client)
    machine = Machine(context_for(spec), seen, sni="localhost")
    for _ in range(6):
        if not seen.completed:
            machine.handshake()
        output = machine.output()
        if output:
            server.bio_write(output)
        with suppress(SSL.WantReadError):
            server.recv(1) if seen.completed else server.do_handshake()
        with suppress(SSL.WantReadError):
            machine.receive(server.bio_read(65536))
        if seen.completed:
            machine.read()
    return seen


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_state_names_are_those_of_this_engine(tls: str) -> None:
    seen = _talk_in_memory(tls)
    assert set(seen.seen) == set(transcript.WATCHED)
    assert seen.hostname_matched
    assert not seen.requested_late


def test_contexts_are_kept_by_what_they_depend_on() -> None:
    forget_contexts()
    client, other = world().clients["good_p256"], world().clients["good_rsa"]
    spec = ContextSpec(AttemptKind.REAL, world().trust, credential=client)
    assert context_for(spec) is context_for(ContextSpec(AttemptKind.REAL, world().trust, credential=client))
    for different in (
        ContextSpec(AttemptKind.CONTROL, world().trust),
        ContextSpec(AttemptKind.REAL, world().trust, credential=other),
        ContextSpec(AttemptKind.REAL, world().trust, credential=client, max_tls="1.2"),
        ContextSpec(AttemptKind.REAL, world().trust, credential=client, min_tls="1.3"),
    ):
        assert context_for(different) is not context_for(spec)


def test_a_key_that_does_not_match_is_refused() -> None:
    good, other = world().clients["good_p256"], world().issuing.issue("other.example").credential()
    assert good is not None
    mixed = type(good)(good.leaf, good.chain, other.private_key, other.spki_sha256)
    with pytest.raises(CredentialRefused):
        build_context(ContextSpec(AttemptKind.REAL, world().trust, credential=mixed))
    _, judgement = probe("https://127.0.0.1:9/", mixed)
    assert judgement.verdict is Verdict.CERTIFICATE_UNUSABLE


def test_key_shows_nowhere_and_the_report_is_the_contract_s() -> None:
    client = world().clients["good_rsa"]
    assert client is not None
    with python_server(world().server, client_ca=world().root) as peer:
        observation, judgement = probe(peer.url, client, canary=True)
    report = build_report(
        observation, judgement, node="acme/x", url=peer.url, started_at=datetime.now(UTC), duration_ms=1.0,
        client=ClientSide("acme/api", 3, "ab", "node"), suggested_certificates=("acme/other",),
    )  # fmt: skip
    assert set(report) == REPORT_KEYS
    assert report["client_certificate"]["sent"] == "certificate"
    assert report["suggested_certificates"] == [], "another certificate would change nothing"
    assert report["server"]["trusted"] is True
    assert report["attempts"]["canary"]["sent"] == "certificate"
    der = client.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    needles = [der.hex()[80:144], str(client.private_key.private_numbers().p)[:40]]  # type: ignore[union-attr]
    sinks = [json.dumps(report), repr(observation), repr(judgement), repr(client), f"{client}"]
    for needle in needles:
        assert not [sink for sink in sinks if needle in sink]
    assert "PRIVATE-KEY.pem" in report["reproduce"]["openssl"]
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_exchange_is_bounded_and_asks_for_no_encoding() -> None:
    exchange = Exchange("OPTIONS", "/x", "bank.example", (("Accept-Encoding", "gzip"), ("X-Key", "1")))
    assert exchange.request.startswith(b"OPTIONS /x HTTP/1.1\r\nHost: bank.example\r\n")
    assert exchange.request.lower().count(b"accept-encoding: identity") == 1
    assert b"gzip" not in exchange.request
    exchange.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n<center>The SSL certificate ")
    assert not exchange.done
    exchange.feed(b"error</center>")
    exchange.feed(b"")
    answer = exchange.answer()
    assert answer is not None
    assert (answer.status, answer.certificate_text) == (400, "certificate_error")
    endless = Exchange("GET", "/", "bank.example", ())
    endless.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * MAX_RAW)
    assert endless.done


def test_the_status_line_is_enough_unless_the_body_may_tell() -> None:
    def told(*pieces: bytes) -> tuple[bool, int | None]:
        exchange = Exchange("GET", "/", "bank.example", ())
        for piece in pieces:
            exchange.feed(piece)
        answer = exchange.answer()
        return exchange.done, answer.status if answer else None

    assert told(b"HTTP/1.1 2") == (False, None)
    assert told(b"HTTP/1.1 2", b"04 No Content\r\n") == (True, 204)
    assert told(b"HTTP/1.1 103 Early Hints\r\n\r\n") == (False, 103)
    assert told(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n") == (True, 200)
    assert told(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n") == (False, 400)
    assert told(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n", b"abc") == (True, 400)
    assert told(b"220 mail.example ESMTP\r\n") == (True, None)
    assert told(b"x" * MAX_RAW) == (True, None)


def test_contexts_are_forgotten_even_if_nothing_happens_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_contexts()
    monkeypatch.setattr(context, "MAX_AGE_S", 0.1)
    kept = weakref.ref(
        context_for(ContextSpec(AttemptKind.REAL, world().trust, credential=world().clients["good_rsa"]))
    )
    end = time.monotonic() + 5
    while kept() is not None and time.monotonic() < end:
        time.sleep(0.02)
        gc.collect()
    assert kept() is None
