"""How serial numbers, names and keys are spelt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from certificates.pki import display
from certificates.pki.csr import KeyKind


def test_serial_numbers_have_colons() -> None:
    assert display.serial("1ab") == "01:ab"
    assert display.serial("-1ab") == "-01:ab"
    assert display.serial("0") == "00"


@pytest.mark.parametrize(
    ("kind", "bits", "label"),
    [
        ("rsa", 2048, "RSA 2048"),
        ("dsa", 1024, "DSA 1024"),
        ("ec-p256", 256, "EC P-256"),
        ("ec-p521", 521, "EC P-521"),
        ("ec-secp256k1", 256, "EC secp256k1"),
        ("ed25519", 256, "Ed25519"),
        ("ed448", 456, "Ed448"),
        ("unknown", 0, "unknown key"),
    ],
)
def test_keys(kind: str, bits: int, label: str) -> None:
    assert display.key_label(kind, bits) == label


@pytest.mark.parametrize(
    ("algorithm", "label"),
    [
        ("ecdsa-with-sha256", "ECDSA with SHA-256"),
        ("rsa-with-sha3-256", "RSA with SHA3-256"),
        ("rsa-with-md5", "RSA with MD5"),
        ("rsassa-pss", "RSASSA-PSS"),
        ("ed25519", "Ed25519"),
        ("1.2.840.1", "1.2.840.1"),
    ],
)
def test_signatures(algorithm: str, label: str) -> None:
    assert display.signature_label(algorithm) == label


def test_keys_that_can_be_made_are_called_as_people_call_them() -> None:
    labels = [display.kind_label(kind) for kind in KeyKind]
    assert labels == ["EC P-256", "EC P-384", "RSA 3072", "RSA 4096", "Ed25519"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("CN=bot,O=Acme", "bot"),
        ("OU=Bots,O=Acme\\, Inc.", "Acme, Inc."),
        ("C=GB", "C=GB"),
        ("", "(no name)"),
        ("CN=a\\+b,O=x", "a+b"),
        ("O=Acme+CN=bot,C=GB", "bot"),
        ("CN=back\\\\slash", "back\\slash"),
        ("CN=ad\\e2\\80\\aemin", "ad\\e2\\80\\aemin"),
    ],
)
def test_short_names(name: str, short: str) -> None:
    assert display.short_name(name) == short


def test_organisations() -> None:
    assert display.organisation("CN=bot,O=Acme\\, Inc.,C=GB") == "Acme, Inc."
    assert display.organisation("CN=bot") == ""


def test_days() -> None:
    assert display.day(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) == "22 Nov 2026"
    assert display.day(datetime(950, 1, 2, tzinfo=UTC)) == "2 Jan 950"
