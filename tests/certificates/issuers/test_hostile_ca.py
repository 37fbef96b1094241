"""CAs that answer anything: every failure is one sentence; and renewal information, which pebble does not have."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.issuers.acme import Acme
from certificates.issuers.acme_talk import renewal_id
from certificates.issuers.hook import Hook
from certificates.issuers.port import IssuerFailed, Phase, SigningJob
from certificates.issuers.replies import chain_of, retry_after
from certificates.issuers.vault import Vault, VaultLogin
from certificates.pki.secret import Secret
from tests.certificates.issuers.test_acme import account, csr
from tests.pki import CA
from tests.servers import Peer, python_server

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
Routes = Mapping[str, tuple[int, Mapping[str, str], Any]]


def usual(url: str) -> dict[str, Any]:
    """What an ACME CA answers up to the order."""
    return {
        "/dir": (200, {}, directory(url)),
        "/newNonce": (200, NONCE, b""),
        "/newAccount": (201, {**NONCE, "Location": f"{url}/me"}, {"status": "valid"}),
        "/newOrder": (201, {**NONCE, "Location": f"{url}/order"}, {"status": "pending"}),
    }


@contextmanager
def answering(authority: CA, routes: Callable[[str], Routes]) -> Iterator[Peer]:
    """An HTTPS server with fixed answers: path → status, headers, body (JSON unless bytes). `routes` gets its URL."""
    table: dict[str, Any] = {}

    def behave(connection: ssl.SSLSocket) -> None:
        received = b""
        while b"\r\n\r\n" not in received and (part := connection.recv(65536)):
            received += part
        path = received.split(b" ")[1].decode()
        status, headers, body = table.get(path, (404, {}, {}))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {"Content-Length": str(len(content)), "Connection": "close", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content)

    server = authority.issue("localhost", san=("localhost", "127.0.0.1"), eku=("serverAuth",))
    with python_server(server, behaviour=behave) as peer:
        table.update(routes(peer.url.rstrip("/")))
        yield peer


def acme(authority: CA, peer: Peer) -> Acme:
    anchor = authority.certificate.public_bytes(Encoding.DER)
    return Acme(f"{peer.url}dir", account(), "http-01", Hook("", 1), (anchor,), deadline_s=5)


NONCE = {"Replay-Nonce": "bm9uY2U"}
DIRECTORY = ("newNonce", "newAccount", "newOrder", "renewalInfo")


def directory(url: str) -> dict[str, str]:
    return {name: f"{url}/{name}" for name in DIRECTORY}


@pytest.mark.parametrize(
    ("routes", "phase"),
    [
        ({"/dir": (200, {}, b"<html>")}, Phase.REACH),
        ({"/dir": (200, {}, [])}, Phase.REACH),
        ({"/dir": (200, {}, {})}, Phase.REACH),
        ({"/dir": (500, {}, b"")}, Phase.REACH),
        ({"/newNonce": (200, {}, b"")}, Phase.SIGN_IN),
        ({"/newAccount": (200, NONCE, {})}, Phase.SIGN_IN),
        ({"/newAccount": (201, {}, {})}, Phase.SIGN_IN),
        ({"/newOrder": (201, NONCE, {"status": "pending"})}, Phase.ORDER),
        (
            {"/newOrder": (429, {**NONCE, "Retry-After": "77"}, {"type": "urn:x", "detail": "slow \x1b down."})},
            Phase.ORDER,
        ),
        ({"/order": (200, NONCE, {"status": "invented"})}, Phase.ORDER),
        ({"/order": (200, NONCE, {"status": "invalid", "error": {"detail": "no"}})}, Phase.SIGN),
        ({"/order": (200, NONCE, {"status": "pending", "authorizations": ["http://[::1"]})}, Phase.REACH),
        ({"/order": (200, NONCE, {"status": "pending", "authorizations": 7})}, Phase.ORDER),
        ({"/order": (200, NONCE, {"status": "valid"})}, Phase.READ),
        ({"/dir": (200, {}, b"[" * 60_000)}, Phase.REACH),
        ({"/order": (200, NONCE, {"status": "ready", "finalize": 7})}, Phase.SIGN),
    ],
    ids=str,
)
def test_an_acme_ca_that_says_anything(authority: CA, routes: Routes, phase: Phase) -> None:
    def all_routes(url: str) -> Routes:
        return {**usual(url), **routes}

    with answering(authority, all_routes) as peer, pytest.raises(IssuerFailed) as failed:
        acme(authority, peer).sign(SigningJob(csr("one.bots.example")[0]))
    assert failed.value.phase is phase, failed.value.text
    assert failed.value.text.endswith(".")
    assert "\x1b" not in failed.value.text
    if "/newOrder" in routes and routes["/newOrder"][0] == 429:
        assert failed.value.retry_after_s == 77


@pytest.mark.parametrize("status", ["pending", "ready"])
def test_an_order_that_does_not_move_is_asked_about_at_intervals(authority: CA, status: str) -> None:
    def routes(url: str) -> Routes:
        order = {"status": status, "authorizations": [], "finalize": f"{url}/finalize"}
        return {**usual(url), "/order": (200, NONCE, order), "/finalize": (200, NONCE, order)}

    with answering(authority, routes) as peer, pytest.raises(IssuerFailed, match="the next attempt goes on from here"):
        acme(authority, peer).sign(SigningJob(csr("one.bots.example")[0]))
    assert len(peer.recorded()) < 40, "in five seconds"


@pytest.mark.parametrize("challenge", ["../../etc", "--help", "a b", "x" * 300])
def test_the_hook_is_told_no_words_that_are_not_of_the_protocol(challenge: str) -> None:
    with pytest.raises(IssuerFailed, match="not of the form"):
        Hook("/bin/true", 1).run("deploy", "http-01", domain="a.example", token=challenge, value="v" * 20)
    with pytest.raises(IssuerFailed, match="not of the form"):
        Hook("/bin/true", 1).run("deploy", "http-01", domain=challenge, token="t" * 20, value="v" * 20)


@pytest.mark.parametrize(("header", "pause"), [({"Retry-After": "3600"}, timedelta(hours=1)), ({}, timedelta(hours=6))])
def test_renewal_information(authority: CA, header: dict[str, str], pause: timedelta) -> None:
    leaf = authority.issue("renewed.example").der
    suggested = {"suggestedWindow": {"start": "2026-12-01T00:00:00Z", "end": "2026-12-03T00:00:00Z"}}

    def routes(url: str) -> Routes:
        return {"/dir": (200, {}, directory(url)), f"/renewalInfo/{renewal_id(leaf)}": (200, header, suggested)}

    with answering(authority, routes) as peer:
        window = acme(authority, peer).window(leaf_der=leaf, now=NOW)
    assert window is not None
    assert (window.start, window.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC))
    assert window.ask_again_at == NOW + pause


def test_a_ca_without_renewal_information_has_no_opinion(authority: CA) -> None:
    leaf = authority.issue("renewed.example").der
    with answering(authority, lambda url: {"/dir": (200, {}, {"newNonce": url})}) as peer:
        assert acme(authority, peer).window(leaf_der=leaf, now=NOW) is None


def test_the_name_of_a_certificate_is_that_of_the_standard() -> None:
    """The example of RFC 9773, 4.1: the serial's leading zero byte is kept."""
    root = CA.root("root")
    leaf = root.issue("a", serial=0x008765432112345678, aki=True).der
    assert renewal_id(leaf).rpartition(".")[2] == "AIdlQyESNFZ4"


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (503, b"", "it is sealed, or in maintenance"),
        (200, b"<html>", "not of Vault’s form"),
        (200, {"data": {"certificate": "none"}}, "holds no certificate"),
        (200, {"data": {"certificate": 7, "ca_chain": [None]}}, "holds no certificate"),
        (400, {"errors": ["a\x1b[2J", 7]}, r"a\\x1b\[2J; 7"),
    ],
)
def test_a_vault_that_says_anything(authority: CA, status: int, body: Any, text: str) -> None:
    anchor = authority.certificate.public_bytes(Encoding.DER)
    with answering(authority, lambda _: {"/v1/pki/sign/bots": (status, {}, body)}) as peer:
        vault = Vault(peer.url, "pki", "bots", VaultLogin(Secret(b"token")), anchors=(anchor,))
        with pytest.raises(IssuerFailed, match=text):
            vault.sign(SigningJob(csr("one.bots.example")[0]))


def test_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("120", now=NOW) == 120
    assert retry_after("Fri, 27 Nov 2026 12:00:30 GMT", now=NOW) == 30
    assert retry_after("Fri, 27 Nov 2020 12:00:30 GMT", now=NOW) == 0
    assert retry_after("9" * 40, now=NOW) == 7 * 86_400
    assert [retry_after(text, now=NOW) for text in (None, "soon", "-1")] == [None] * 3


def test_a_reply_has_a_limit() -> None:
    block = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    assert chain_of([block.format("AAAA") * 3]) == (b"\0\0\0",)
    many = "".join(block.format(f"AAA{letter}") for letter in "ABCDEFGHIJKL")
    with pytest.raises(IssuerFailed, match="more than 10"):
        chain_of([many])
