"""What is shown and stored of one certificate. Hostile names are made harmless here, once for every door."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import TypeVar

from asn1crypto import x509 as structure
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.errors import BundleError
from certificates.pki import limits
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import CertificateFacts

# Smaller curves of the same family are read so that the finding key_too_small can name them.
TLS_CURVES = {
    "secp192r1": "ec-p192",
    "secp224r1": "ec-p224",
    "secp256r1": "ec-p256",
    "secp384r1": "ec-p384",
    "secp521r1": "ec-p521",
}
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_EKU_NAMES = {
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CODE_SIGNING: "codeSigning",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
    ExtendedKeyUsageOID.SMARTCARD_LOGON: "smartcardLogon",
}


def facts_of(certificate: x509.Certificate, file: str) -> CertificateFacts:
    """Raises BundleError `malformed` where a field of the certificate cannot be decoded."""
    try:
        der = certificate.public_bytes(Encoding.DER)
        key_type, key_bits = key_of(certificate)
        return CertificateFacts(
            der=der,
            subject=harmless(certificate.subject.rfc4514_string()),
            issuer=harmless(certificate.issuer.rfc4514_string()),
            serial=f"{certificate.serial_number:x}",
            sha256=hashlib.sha256(der).hexdigest(),
            spki_sha256=hashlib.sha256(spki_of(certificate)).hexdigest(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            key_type=key_type,
            key_bits=key_bits,
            signature_algorithm=signature_algorithm_of(certificate),
            eku=_eku(certificate),
            san=tuple(_san(certificate)),
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise BundleError(
            ErrorCode.MALFORMED,
            f"{file} holds a certificate with a field that cannot be decoded: ask the CA to issue it again.",
            file=file,
        ) from error


def harmless(text: str) -> str:
    """Text from a certificate without control characters, surrogates or direction overrides, of bounded length.

    They become `\\` and hexadecimal, as RFC 4514 section 2.4 writes octets.
    """
    if len(text) > limits.MAX_NAME_CHARACTERS:
        text = text[: limits.MAX_NAME_CHARACTERS] + "…"
    if text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else _escaped(character) for character in text)


def _is_harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _escaped(character: str) -> str:
    return "".join(f"\\{octet:02x}" for octet in character.encode("utf-8", errors="surrogatepass"))


def spki_of(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo in DER, also of keys the library does not know."""
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        parsed = structure.Certificate.load(certificate.public_bytes(Encoding.DER))
        return bytes(parsed["tbs_certificate"]["subject_public_key_info"].dump())


def key_of(certificate: x509.Certificate) -> tuple[str, int]:
    """Key type as stored (`rsa`, `ec-p256`, …) and its bits; `unknown` and 0 for what the library does not know."""
    try:
        return kind_of(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return "unknown", 0


def kind_of(key: object) -> tuple[str, int]:
    """As `key_of`, for a public key."""
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return TLS_CURVES.get(key.curve.name, f"ec-{key.curve.name}")[:20], key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "dsa", key.key_size
    bits = {ed25519.Ed25519PublicKey: ("ed25519", 256), ed448.Ed448PublicKey: ("ed448", 456)}
    return next((value for kind, value in bits.items() if isinstance(key, kind)), ("unknown", 0))


def signature_hash_of(certificate: x509.Certificate) -> str | None:
    """The name of the signature's hash; None for Ed25519 and Ed448, `unknown` for what the library does not know."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return "unknown"
    return algorithm.name if algorithm else None


def signature_algorithm_of(certificate: x509.Certificate) -> str:
    """Such as `rsa-with-sha256`, `ecdsa-with-sha384` or `ed25519`; the dotted OID of an unknown one."""
    oid = certificate.signature_algorithm_oid
    return _SIGNATURE_NAMES.get(oid, oid.dotted_string)


_SIGNATURE_NAMES = {
    oid: name for name, oid in vars(x509.SignatureAlgorithmOID).items() if isinstance(oid, x509.ObjectIdentifier)
}
_SIGNATURE_NAMES = {oid: name.lower().replace("_", "-") for oid, name in _SIGNATURE_NAMES.items()}


def _eku(certificate: x509.Certificate) -> tuple[str, ...] | None:
    extension = extension_of(certificate, x509.ExtendedKeyUsage)
    if extension is None:
        return None
    return tuple(_EKU_NAMES.get(oid, oid.dotted_string) for oid in extension)


def _san(certificate: x509.Certificate) -> Iterable[str]:
    for name in extension_of(certificate, x509.SubjectAlternativeName) or ():
        if isinstance(name, x509.DirectoryName):
            yield harmless(name.value.rfc4514_string())
        elif isinstance(name, x509.OtherName):
            yield f"other name {name.type_id.dotted_string}"
        else:
            value = name.value
            yield harmless(value.dotted_string if isinstance(value, x509.ObjectIdentifier) else str(value))


def extension_of(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """The value of an extension, None if it is absent or the extensions cannot be decoded.

    That they cannot is said once, by `path_checks`.
    """
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None
