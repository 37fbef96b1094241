"""Reads PKCS#12 (RFC 7292). Structure is looked at before anything is decrypted: cost, and how many keys there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from asn1crypto import cms
from asn1crypto import pkcs12 as structure
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from certificates.errors import BundleError
from certificates.pki import der, kdf, limits, private_keys
from certificates.pki.findings import ErrorCode
from certificates.pki.formats import unsupported_format
from certificates.pki.reading import Reading, Use, malformed

# Of one in 256 wrong passphrases: the padding fits what comes out. The integrity check, which failed, knows better.
_GARBAGE = "ASN.1 parsing error"
_SECRET_UNWANTED = {
    Use.REPLY: f"a CA’s reply holds nothing secret: {Use.REPLY.value}. A file with its own private key is imported "
    "instead.",
    Use.TRUST_STORE: "a trust store holds nothing secret: export the certificates alone.",
}


@dataclass(frozen=True, slots=True)
class _KeyBag:
    """A private key as it lies in the file: `der` is PKCS#8, encrypted if `shrouded`."""

    shrouded: bool
    der: bytes


def read_pkcs12(content: bytes, reading: Reading, file: str) -> None:
    """Its certificates and its one private key. Raises BundleError."""
    keys = _look_inside(content, reading, file)
    if len(keys) > 1 and reading.wants_keys:
        raise several_keys(f"{file} holds {len(keys)} private keys", file)
    for key in keys:
        _refuse_huge(key, file)
    opened = _open(content, keys, reading, file)
    if reading.wants_keys and opened.key is not None:
        private_keys.add_key(opened.key, reading, file, primes_proved=True)
    for found in ([opened.cert] if opened.cert else []) + list(opened.additional_certs):
        der.refuse_huge_key(found.certificate, file)
        reading.add_certificate(found.certificate, file)


def several_keys(fact: str, file: str | None) -> BundleError:
    return BundleError(
        ErrorCode.SEVERAL_KEYS,
        f"{fact}, and a client certificate has one: export only the entry that is wanted.",
        file=file,
    )


def _look_inside(content: bytes, reading: Reading, file: str) -> list[_KeyBag]:
    """The keys that can be seen without the passphrase; counts the cost of opening everything.

    BER with constructed strings defeats asn1crypto: then only the integrity check is counted, and the sandbox's
    processor limit is what remains.
    """
    found: list[_KeyBag] = []
    with suppress(ValueError, TypeError, KeyError):
        reading.spend(kdf.mac_iterations(structure.Pfx.load(content)), file)
    for part in _parts(content):
        with suppress(ValueError, TypeError, KeyError):
            if part["content_type"].native == "data":
                for bag in structure.SafeContents.load(part["content"].native):
                    found.extend(_key_in(bag, reading, file))
            elif part["content_type"].native == "encrypted_data":
                _count(part["content"]["encrypted_content_info"]["content_encryption_algorithm"], reading, file)
    return found


def _parts(content: bytes) -> list[cms.ContentInfo]:
    with suppress(ValueError, TypeError, KeyError):
        return list(structure.Pfx.load(content).authenticated_safe)
    return []


def _key_in(bag: structure.SafeBag, reading: Reading, file: str) -> Iterator[_KeyBag]:
    kind = bag["bag_id"].native
    if kind not in {"key_bag", "pkcs8_shrouded_key_bag"}:
        return
    yield _KeyBag(shrouded=kind != "key_bag", der=bag["bag_value"].untag().dump())
    if kind == "pkcs8_shrouded_key_bag":
        _count(bag["bag_value"]["encryption_algorithm"], reading, file)


def _count(algorithm: cms.EncryptionAlgorithm, reading: Reading, file: str) -> None:
    reading.spend(kdf.encryption_iterations(algorithm), file)
    if kdf.is_legacy(algorithm) and file not in reading.legacy:
        reading.legacy.append(file)


def _refuse_huge(key: _KeyBag, file: str) -> None:
    size = len(key.der)
    if size > limits.MAX_PKCS12_KEY_BYTES:
        raise BundleError(
            ErrorCode.TOO_EXPENSIVE,
            f"The private key in {file} takes {size:,} bytes, above the limit of {limits.MAX_PKCS12_KEY_BYTES:,} "
            "inside PKCS#12 (RSA 4096): export it as PEM, or use RSA 3072 or EC P-256.",
            file=file,
        )


def _open(content: bytes, keys: list[_KeyBag], reading: Reading, file: str) -> library.PKCS12KeyAndCertificates:
    """An absent passphrase and an empty one are different encodings in PKCS#12, and people mean the same by both."""
    error: Exception | None = None
    candidates: list[bytes | None] = [None, b""]
    if reading.passphrase:
        # What is not encrypted may still carry an integrity check under any of the three.
        candidates = [reading.passphrase, None, b""] if _is_plain(keys) else [reading.passphrase]
    for passphrase in candidates:
        try:
            return library.load_pkcs12(content, passphrase)
        except UnsupportedAlgorithm as unsupported:
            raise _unsupported(file) from unsupported
        except (ValueError, TypeError) as failure:
            error = failure
    raise _why_not(str(error), keys, reading, file) from error


def _is_plain(keys: list[_KeyBag]) -> bool:
    return any(not key.shrouded for key in keys)


def _why_not(message: str, keys: list[_KeyBag], reading: Reading, file: str) -> BundleError:
    """The library says "Invalid password or PKCS12 data" for several things; the key's own bag tells them apart."""
    if not _is_utf8(reading.passphrase or b""):
        return private_keys.wrong_passphrase(file)  # the format knows no other encoding, and the library says nothing
    if "password" not in message.lower():
        return malformed(file, "is a PKCS#12 file that cannot be read, it is damaged or oddly made: export it again.")
    if not reading.wants_keys:
        return unsupported_format(file, f"is protected by a passphrase, and {_SECRET_UNWANTED[reading.use]}")
    if not reading.passphrase:
        return private_keys.passphrase_required(file)
    for key in keys:
        if key.shrouded:
            return _why_key_fails(key, reading, file)
    return private_keys.wrong_passphrase(file)


def _is_utf8(passphrase: bytes) -> bool:
    try:
        passphrase.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _why_key_fails(key: _KeyBag, reading: Reading, file: str) -> BundleError:
    try:
        load_der_private_key(key.der, reading.passphrase, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        return _unsupported(file)
    except (ValueError, TypeError) as error:
        if "unsupported" in (text := str(error)) and _GARBAGE not in text:  # so the passphrase is right
            return private_keys.unknown_inside(file)
        return private_keys.wrong_passphrase(file)
    return malformed(file, "opens with the passphrase, but its integrity check fails: ask for a fresh export.")


def _unsupported(file: str) -> BundleError:
    return unsupported_format(
        file,
        "holds a key or uses an encryption that is not supported: export it again with an RSA, EC or Ed25519 key "
        "and AES-256.",
    )
