"""Hostile uploads, made at run time: small files that would cost a careless reader minutes or gigabytes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache

from asn1crypto import core, keys
from asn1crypto import pkcs12 as structure
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from tests.pki import CA, Issued

PASSPHRASE = b"correct horse"
HUGE = 2**31 - 1


@cache
def client() -> Issued:
    return CA.root().issue()


def made_pkcs12(*, legacy: bool = False) -> structure.Pfx:
    """A small real file, ready to be patched."""
    algorithm = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC if legacy else pkcs12.PBES.PBESv2SHA256AndAES256CBC
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).key_cert_algorithm(algorithm)
    encryption = builder.hmac_hash(SHA1() if legacy else SHA256()).build(PASSPHRASE)  # noqa: S303 - old files
    one = client()
    content = pkcs12.serialize_key_and_certificates(b"x", one.private_key, one.certificate, None, encryption)
    return structure.Pfx.load(content)


def set_iterations(algorithm: core.Sequence, iterations: int) -> None:
    """Of a PBES1 or PBES2 algorithm identifier."""
    parameters = algorithm["parameters"]
    if algorithm["algorithm"].native == "pbes2":
        parameters["key_derivation_func"]["parameters"]["iteration_count"] = iterations
    else:
        parameters["iterations"] = iterations


def slow_mac(iterations: int = HUGE) -> bytes:
    pfx = made_pkcs12()
    pfx["mac_data"]["iterations"] = iterations
    return bytes(pfx.dump(force=True))


def slow_bags(*, legacy: bool, which: str, mac: bool = True) -> bytes:
    """The file with 2³¹ - 1 iterations for its certificates or its key."""
    pfx = made_pkcs12(legacy=legacy)
    safe = structure.AuthenticatedSafe.load(pfx["auth_safe"]["content"].native)
    for part in safe:
        if part["content_type"].native == "encrypted_data" and which == "certificates":
            set_iterations(part["content"]["encrypted_content_info"]["content_encryption_algorithm"], HUGE)
        elif part["content_type"].native == "data" and which == "key":
            bags = structure.SafeContents.load(part["content"].native)
            set_iterations(bags[0]["bag_value"]["encryption_algorithm"], HUGE)
            part["content"] = core.OctetString(bags.dump(force=True))
    pfx["auth_safe"]["content"] = core.OctetString(safe.dump(force=True))
    if not mac:
        pfx["mac_data"] = core.Void()
    return bytes(pfx.dump(force=True))


def constructed(content: bytes) -> bytes:
    """The file's content in a constructed BER string of indefinite length, as some tools write it."""
    safe = bytes(structure.Pfx.load(content)["auth_safe"]["content"].native)
    string = b"\x24\x80" + bytes(core.OctetString(safe).dump()) + b"\x00\x00"
    oid = bytes(core.ObjectIdentifier("1.2.840.113549.1.7.1").dump())
    content = b"\x30\x80" + oid + b"\xa0\x80" + string + b"\x00" * 4
    return b"\x30\x80" + bytes(core.Integer(3).dump()) + content + b"\x00\x00"


def endless_tag() -> bytes:
    """A PKCS#12 file with a tag number of 200 KB, over which a parser takes quadratic time."""
    inside = core.Integer(3).dump() + core.Sequence(contents=b"\xff" * 200_000).dump()
    return bytes(core.Sequence(contents=inside).dump())


def slow_pkcs8() -> bytes:
    key = client().private_key
    info = keys.EncryptedPrivateKeyInfo.load(
        key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
    )
    set_iterations(info["encryption_algorithm"], HUGE)
    return bytes(info.dump(force=True))


def slow_scrypt() -> bytes:
    """scrypt with N = 2³⁰: a terabyte of memory. asn1crypto does not know it, so its place is written by hand."""
    parameters = [core.OctetString(b"salt"), core.Integer(2**30), core.Integer(8), core.Integer(1)]
    kdf = sequence(core.ObjectIdentifier("1.3.6.1.4.1.11591.4.11").dump(), sequence(*(p.dump() for p in parameters)))
    cipher = sequence(core.ObjectIdentifier("2.16.840.1.101.3.4.1.42").dump(), core.OctetString(bytes(16)).dump())
    algorithm = sequence(core.ObjectIdentifier("1.2.840.113549.1.5.13").dump(), sequence(kdf, cipher))
    return sequence(algorithm, core.OctetString(bytes(64)).dump())


def sequence(*parts: bytes) -> bytes:
    return bytes(core.Sequence(contents=b"".join(parts)).dump())


def fair_pkcs12() -> bytes:
    """Slow on purpose, and affordable alone: hundreds of thousands of iterations."""
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(400_000).build(PASSPHRASE)
    one = client()
    return pkcs12.serialize_key_and_certificates(b"x", one.private_key, one.certificate, None, encryption)


def slow_pbmac1() -> bytes:
    """RFC 9579: the iterations of the integrity check are in its own parameters."""
    pfx = made_pkcs12()
    hmac = sequence(core.ObjectIdentifier("1.2.840.113549.2.9").dump())
    parameters = sequence(core.OctetString(b"salt").dump(), core.Integer(HUGE).dump(), core.Integer(32).dump(), hmac)
    kdf = sequence(core.ObjectIdentifier("1.2.840.113549.1.5.12").dump(), parameters)
    algorithm = sequence(core.ObjectIdentifier("1.2.840.113549.1.5.14").dump(), sequence(kdf, hmac))
    mac = sequence(sequence(algorithm, core.OctetString(bytes(32)).dump()), core.OctetString(b"salt").dump())
    return sequence(core.Integer(3).dump(), pfx["auth_safe"].dump(), mac)


def usual_pkcs8() -> bytes:
    encryption = BestAvailableEncryption(PASSPHRASE)
    return client().private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@cache
def huge_rsa(bits: int) -> RSAPrivateKey:
    """Numbers of the right size that nobody proved prime: making them takes no time, checking them would."""
    p, q, e = (1 << (bits // 2 - 1)) + 5, (1 << (bits // 2)) - 5, 65537
    while True:
        try:
            d = pow(e, -1, (p - 1) * (q - 1))
            iqmp = pow(q, -1, p)
        except ValueError:
            p += 2
            continue
        numbers = RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), iqmp, RSAPublicNumbers(e, p * q))
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def huge_rsa_pem(bits: int) -> bytes:
    return huge_rsa(bits).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def huge_rsa_certificate(bits: int) -> bytes:
    return CA.root().issue(public_key=huge_rsa(bits).public_key()).cert_pem


def huge_rsa_pkcs12(bits: int) -> bytes:
    encryption = BestAvailableEncryption(PASSPHRASE)
    return pkcs12.serialize_key_and_certificates(None, huge_rsa(bits), None, None, encryption)


def nested(depth: int) -> bytes:
    """A SEQUENCE in a SEQUENCE in a SEQUENCE…"""
    content = b""
    for _ in range(depth):
        content = core.Any(core.Sequence(contents=content)).dump()
    return content


def nested_indefinite(depth: int) -> bytes:
    return b"\x30\x80" * depth + b"\x00\x00" * depth


def as_pem(label: str, content: bytes) -> bytes:
    body = base64.encodebytes(content)
    return f"-----BEGIN {label}-----\n".encode() + body + f"-----END {label}-----\n".encode()


def many_certificates(count: int) -> bytes:
    return client().cert_pem * count


def many_in_pkcs7(count: int) -> bytes:
    return pkcs7.serialize_certificates([client().certificate] * count, Encoding.DER)


def truncated(content: bytes) -> Iterator[bytes]:
    """The file cut off at twelve places."""
    for part in range(12):
        yield content[: len(content) * part // 12]
