"""Spells serial numbers, names and keys for templates and commands. Strings in, strings out."""

from __future__ import annotations

import re
from datetime import datetime

_KEY_NAMES = {"rsa": "RSA", "dsa": "DSA", "ed25519": "Ed25519", "ed448": "Ed448", "unknown": "unknown key"}
_PREFERRED = ("CN", "O", "OU")
_PART = re.compile(r"(?:\\.|[^,+\\])+")  # “+” joins the parts of a multi-valued RDN


def serial(number: str) -> str:
    """A hexadecimal serial number with colons, as OpenSSL prints it; an odd number of digits gets its leading zero."""
    if number.startswith("-"):
        return "-" + serial(number[1:])
    digits = number.zfill(len(number) + len(number) % 2)
    return ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))


def key_label(key_type: str, bits: int) -> str:
    """`rsa`, 2048 → “RSA 2048”; `ec-p256`, 256 → “EC P-256”; `ed25519`, 256 → “Ed25519”."""
    if key_type.startswith("ec-"):
        curve = key_type.removeprefix("ec-")
        return f"EC P-{curve[1:]}" if re.fullmatch(r"p\d{3}", curve) else f"EC {curve}"
    name = _KEY_NAMES.get(key_type, key_type)
    return f"{name} {bits}" if key_type in {"rsa", "dsa"} else name


def kind_label(kind: str) -> str:
    """The name of a key that can be made (`csr.KeyKind`): `rsa-3072` → “RSA 3072”, `ec-p256` → “EC P-256”."""
    name, _, bits = kind.partition("-")
    return key_label(name, int(bits)) if bits.isdigit() else key_label(kind, 0)


def signature_label(algorithm: str) -> str:
    """`ecdsa-with-sha256` → “ECDSA with SHA-256”, `ed25519` → “Ed25519”; a dotted OID stays."""
    key, joined, digest = algorithm.partition("-with-")
    if joined:
        return f"{key.upper()} with {re.sub(r'^SHA(?=[0-9]+$)', 'SHA-', digest.upper())}"
    return _KEY_NAMES.get(algorithm, algorithm.upper())


def short_name(rfc4514: str) -> str:
    """The common name of a distinguished name, else its organisation, else the whole."""
    parts = _parts(rfc4514)
    for wanted in _PREFERRED:
        if value := parts.get(wanted):
            return value
    return rfc4514 or "(no name)"


def organisation(rfc4514: str) -> str:
    """The organisation in a distinguished name, or an empty string."""
    return _parts(rfc4514).get("O", "")


def _parts(rfc4514: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in _PART.findall(rfc4514):
        key, _, value = piece.partition("=")
        parts.setdefault(key.strip(), re.sub(r"\\([,+\"\\<>;=# ])", r"\1", value))
    return parts


def day(moment: datetime) -> str:
    """“22 Nov 2026”, in UTC, as the console’s pages have it."""
    return f"{moment.day} {moment:%b} {moment.year}"
