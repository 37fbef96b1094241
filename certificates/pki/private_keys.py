"""Opens and checks one private key. The check happens here once, so that later loads may skip it."""

from __future__ import annotations

import re

from asn1crypto import keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from certificates.errors import BundleError
from certificates.pki import kdf, limits
from certificates.pki.credential import PrivateKey
from certificates.pki.facts import TLS_CURVES
from certificates.pki.findings import ErrorCode
from certificates.pki.formats import unsupported_format
from certificates.pki.reading import FoundKey, Reading, malformed

_DOTTED = re.compile(r"\d+(\.\d+){3,}")
_KNOWN_ALGORITHMS = frozenset(
    {
        "1.2.840.113549.1.1.1",  # rsaEncryption
        "1.2.840.113549.1.1.10",  # rsassaPss
        "1.2.840.10045.2.1",  # id-ecPublicKey
        "1.3.101.112",  # Ed25519
        "1.3.101.113",  # Ed448
    }
)
_CONVERT = (
    "is encrypted in a way that is not supported: convert it with “openssl pkcs8 -topk8 -v2 aes-256-cbc "
    "-in FILE -out NEW”."
)


def read_plain_key(der: bytes, reading: Reading, file: str) -> None:
    """An unencrypted PKCS#8, PKCS#1 or SEC1 key. Raises BundleError."""
    if not reading.wants_keys:
        return
    try:
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise unsupported_key(file, "of a kind or curve that TLS does not use") from error
    except TypeError:
        read_encrypted_key(der, reading, file)
        return
    except ValueError as error:
        raise _unreadable(der, file) from error
    add_key(key, reading, file)


def read_encrypted_key(der: bytes, reading: Reading, file: str) -> None:
    """An encrypted PKCS#8 key (RFC 5958). Raises BundleError."""
    if not reading.wants_keys:
        return
    _count_cost(der, reading, file)
    require_passphrase(reading, file)
    try:
        key = load_der_private_key(der, reading.passphrase, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise unsupported_key(file, "of a kind or curve that TLS does not use") from error
    except (ValueError, TypeError) as error:
        raise _not_opened(str(error), file) from error
    add_key(key, reading, file)


def read_traditional_key(pem: bytes, reading: Reading, file: str) -> None:
    """A key encrypted the old OpenSSL way, with `Proc-Type` and `DEK-Info` headers. Raises BundleError."""
    if not reading.wants_keys:
        return
    require_passphrase(reading, file)
    reading.legacy.append(file)
    try:
        key = load_pem_private_key(pem, reading.passphrase, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm as error:
        raise unsupported_format(file, _CONVERT) from error
    except (ValueError, TypeError) as error:
        raise _not_opened(str(error), file) from error
    add_key(key, reading, file)


def require_passphrase(reading: Reading, file: str) -> None:
    if not reading.passphrase:
        raise passphrase_required(file)


def passphrase_required(file: str) -> BundleError:
    text = f"{file} is protected by a passphrase: enter it and try again."
    return BundleError(ErrorCode.PASSPHRASE_REQUIRED, text, file=file)


def wrong_passphrase(file: str) -> BundleError:
    return BundleError(
        ErrorCode.PASSPHRASE_WRONG,
        f"The passphrase does not open {file}: check it for typing errors, or ask whoever sent the file.",
        file=file,
    )


def add_key(key: object, reading: Reading, file: str, *, primes_proved: bool = False) -> None:
    """Check a loaded key and keep it. Raises BundleError if TLS cannot use it or its parts do not belong together."""
    if not isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey, Ed448PrivateKey)):
        kind = type(key).__name__.removesuffix("PrivateKey").upper()
        raise unsupported_key(file, f"a {kind} key, which cannot sign in TLS")
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name not in TLS_CURVES:
        raise unsupported_key(file, f"on the curve {key.curve.name}, which TLS does not use")
    if isinstance(key, RSAPrivateKey):
        refuse_huge_rsa(key.key_size, file)
    if not primes_proved:
        _prove(key, file)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    reading.keys.append(FoundKey(key, spki, file))


def refuse_huge_rsa(bits: int, file: str) -> None:
    if bits > limits.MAX_RSA_BITS:
        raise BundleError(
            ErrorCode.TOO_EXPENSIVE,
            f"{file} holds an RSA-{bits} key, above the limit of {limits.MAX_RSA_BITS} bits: use RSA 3072 or EC P-256.",
            file=file,
        )


def _prove(key: PrivateKey, file: str) -> None:
    """The public half must be the private half's own. Ed25519 and Ed448 derive it, so there is nothing to prove."""
    try:
        if isinstance(key, EllipticCurvePrivateKey):
            signature = key.sign(b"proof", ec.ECDSA(hashes.SHA256()))
            key.public_key().verify(signature, b"proof", ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, RSAPrivateKey) and key.key_size <= limits.MAX_RSA_BITS_PROVED_PRIME:
            key.private_numbers().private_key()
        elif isinstance(key, RSAPrivateKey):
            signature = key.sign(b"proof", padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, b"proof", padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature) as error:
        raise malformed(
            file, "holds a damaged private key, its numbers do not belong together: export it again."
        ) from error


def _count_cost(der: bytes, reading: Reading, file: str) -> None:
    try:
        algorithm = kdf.encrypted_key(der)["encryption_algorithm"]
        iterations, legacy = kdf.encryption_iterations(algorithm), kdf.is_legacy(algorithm)
    except (ValueError, TypeError, KeyError) as error:
        raise malformed(file, "holds an encrypted key whose structure is damaged: export it again.") from error
    reading.spend(iterations, file)
    if legacy:
        reading.legacy.append(file)


def _not_opened(message: str, file: str) -> BundleError:
    """Which error a failed opening is; pyca/cryptography tells them apart only by the message."""
    if "password" in message.lower():
        return wrong_passphrase(file)
    if "Unknown key encryption" in message or "nsupported" in message[:40]:
        return unsupported_format(file, _CONVERT)
    if "unsupported" in message:  # decrypted, but what came out is not a key it knows
        return unknown_inside(file)
    return malformed(file, "holds an encrypted key that cannot be read: export it again.")


def unknown_inside(file: str) -> BundleError:
    """The passphrase was right, but what came out is not a key the library knows."""
    return malformed(
        file,
        "opens with the passphrase, but the private key inside is damaged or of a kind that TLS does not use "
        "(post-quantum, for example): export an RSA, EC or Ed25519 key.",
    )


def _unreadable(der: bytes, file: str) -> BundleError:
    """Tells a key of an unknown algorithm from a broken one."""
    try:
        information = keys.PrivateKeyInfo.load(der, strict=True)
        algorithm = str(information["private_key_algorithm"]["algorithm"].dotted)
    except KeyError as error:  # how asn1crypto says that it does not know an algorithm
        algorithm = str(error.args[0])
    except (ValueError, TypeError):
        algorithm = ""
    if _DOTTED.fullmatch(algorithm) and algorithm not in _KNOWN_ALGORITHMS:
        return unsupported_key(file, f"of the algorithm {algorithm}, which TLS does not use")
    return malformed(file, "holds a private key that cannot be read, it is damaged or incomplete: export it again.")


def unsupported_key(file: str, what: str) -> BundleError:
    return BundleError(
        ErrorCode.UNSUPPORTED_KEY,
        f"The private key in {file} is {what}: get a certificate for an RSA, EC P-256 or Ed25519 key.",
        file=file,
    )
