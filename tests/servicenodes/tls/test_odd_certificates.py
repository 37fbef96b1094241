"""Server certificates that are odd or cannot be read: no crash, and no wrong verdict about the name."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from servicenodes.tls.judgement import Verdict
from servicenodes.tls.names import UNREADABLE_CERTIFICATE, UNREADABLE_TEXT
from servicenodes.tls.report import ClientSide, build_report
from servicenodes.tls.transcript import covers
from tests.servers import python_server
from tests.servicenodes.tls.world import probe, server_certificate, world

V = Verdict
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
LOCALHOST = b"\x0c\x09localhost"
URI = x509.UniformResourceIdentifier
ADDRESS = x509.IPAddress(ip_address("10.0.0.1"))


def _named(*names: x509.GeneralName) -> x509.Certificate:
    extension = (x509.SubjectAlternativeName(names), False)
    return server_certificate(world().server_root, san=(), extensions=[extension]).certificate


@pytest.mark.parametrize(
    ("host", "names", "covered"),
    [
        ("localhost", [x509.DNSName("localhost"), x509.DNSName("127.0.0.1")], True),
        ("localhost", [x509.DNSName("localhost"), x509.DNSName("*")], True),
        ("localhost", [x509.DNSName("localhost"), URI("https://bank.example:8443/x")], True),
        ("localhost", [x509.DNSName("*"), x509.DNSName("other.example")], False),
        ("10.0.0.1", [x509.DNSName("10.0.0.1")], False),
        ("10.0.0.1", [x509.DNSName("localhost"), ADDRESS], True),
        ("10.0.0.2", [ADDRESS], False),
        ("api.bank.example", [x509.DNSName("*.bank.example")], True),
        ("API.bank.example", [x509.DNSName("*.BANK.example")], True),
        ("a.api.bank.example", [x509.DNSName("*.bank.example")], False),
        ("bank.example", [x509.DNSName("*.bank.example")], False),
        ("api.bank.example", [x509.DNSName("a*.bank.example")], False),
        ("xn--bcher-kva.example", [x509.DNSName("xn--bcher-kva.example")], True),
        ("localhost", [URI("https://localhost/")], False),
    ],
)
def test_names(host: str, names: list[x509.GeneralName], covered: bool) -> None:
    assert covers(_named(*names), host) is covered


def test_the_common_name_does_not_count() -> None:
    assert not covers(server_certificate(world().server_root, san=()).certificate, "localhost")


def test_a_san_that_cannot_be_read_covers_nothing() -> None:
    x400 = bytes.fromhex("300f82096c6f63616c686f7374a5023000")
    broken = bytes.fromhex("300e82096c6f63616c686f7374")
    for der in (x400, broken):
        extension = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), der), False)
        certificate = server_certificate(world().server_root, san=(), extensions=[extension]).certificate
        assert not covers(certificate, "localhost")


def _changed(find: bytes, put: bytes) -> Any:
    """The server's certificate with other bytes, signed anew by its CA."""
    issued = server_certificate(world().server_root)
    content = issued.certificate.tbs_certificate_bytes
    assert find in content
    content = content.replace(find, put)
    key = world().server_root.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    body = content + ECDSA_SHA256 + bytes([3, len(signature) + 1, 0]) + signature
    der = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    text = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    return SimpleNamespace(cert_pem=text, chain_pem=text, key_pem=issued.key_pem, chain=())


@pytest.mark.parametrize(
    ("find", "put", "verdict"),
    [
        (LOCALHOST, b"\x14\x09loc\xe9\xe8\xe7ost", V.ACCEPTED),  # T61String: the subject does not matter
        (LOCALHOST, b"\x13\x09loc@l_ost", V.SERVER_UNTRUSTED),  # PrintableString has no such characters
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020103"), V.SERVER_UNTRUSTED),  # version 4
    ],
)
@pytest.mark.parametrize("control", [True, False])
def test_a_certificate_that_cannot_be_read(find: bytes, put: bytes, verdict: Verdict, control: bool) -> None:
    with python_server(_changed(find, put), client_ca=world().root) as peer:
        observation, judgement = probe(peer.url, world().clients["good_p256"], control=control)
        recorded = peer.recorded()
    assert judgement.verdict is verdict
    report = build_report(
        observation, judgement, node=None, url=peer.url, started_at=datetime.now(UTC), duration_ms=1.0,
        client=ClientSide(),
    )  # fmt: skip
    assert json.dumps(report)
    if verdict is V.SERVER_UNTRUSTED:
        assert judgement.reason == UNREADABLE_CERTIFICATE
        assert recorded == []
    else:
        assert report["server"]["chain"][0]["subject"] == UNREADABLE_TEXT
