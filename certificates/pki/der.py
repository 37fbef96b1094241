"""Reads binary material: tells by its outer shape what it is, and hands it to the library that decodes it."""

from __future__ import annotations

from asn1crypto import parser
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import pkcs7

from certificates.pki import formats, pkcs12, private_keys
from certificates.pki.reading import Reading, malformed

# Universal tag numbers in the shapes below: 2 INTEGER, 3 BIT STRING, 4 OCTET STRING, 6 OBJECT IDENTIFIER, 16 SEQUENCE.
_LONG_TAG = 0x1F
_SHAPE_MAX = 8
_CONTEXT_CLASS = 100  # added to the tag number of anything not universal
_MAX_DER_OVERHEAD = 16  # bytes of newline or padding after the structure that some tools leave


def read_der(content: bytes, reading: Reading, file: str) -> None:
    """A binary file of unknown kind. Raises BundleError if it is nothing that can be read."""
    content = _trimmed(content) if content.startswith(b"\x30") else content
    match outer_shape(content):
        case [2, 16, *_] if _version(content) == 3:
            pkcs12.read_pkcs12(content, reading, file)
        case [6, *_]:
            read_pkcs7(content, reading, file)
        case [16, 4]:
            private_keys.read_encrypted_key(content, reading, file)
        case [2, 16, 4, *_] | [2, 4, *_] | [2, 2, 2, 2, 2, *_]:
            private_keys.read_plain_key(content, reading, file)
        case [16, 3] | [2, 2]:
            reading.pass_over(*_passed_over("PUBLIC KEY", file))
        case [16, 16, 3]:
            _read_signed(content, reading, file)
        case _:
            raise malformed(file, "is neither PEM, DER, PKCS#12 nor PKCS#7, or it is damaged: export it again.")


def outer_shape(content: bytes) -> list[int]:
    """The tags inside the outermost SEQUENCE, at most eight; empty if it is none or cannot be parsed."""
    if not content.startswith(b"\x30"):
        return []
    try:
        inside = parser.parse(content, strict=True)[4]
        tags: list[int] = []
        while inside and len(tags) < _SHAPE_MAX:
            if inside[0] & _LONG_TAG == _LONG_TAG:
                return []  # the parser takes quadratic time over long tag numbers, and nothing we read has one
            length = parser.peek(inside)
            element_class, _, tag, _, _, _ = parser.parse(inside[:length])
            tags.append(tag if element_class == 0 else _CONTEXT_CLASS + tag)
            inside = inside[length:]
    except ValueError:
        return []
    return tags


def _version(content: bytes) -> int:
    inside = parser.parse(content)[4]
    return int.from_bytes(parser.parse(inside[: parser.peek(inside)])[4], "big")


def _trimmed(content: bytes) -> bytes:
    """Without the newline or zero bytes some tools append."""
    try:
        length = parser.peek(content)
    except ValueError:
        return content
    rest = content[length:]
    return content[:length] if len(rest) <= _MAX_DER_OVERHEAD and not rest.strip(b"\r\n\x00\x1a ") else content


def read_certificate(content: bytes, reading: Reading, file: str) -> None:
    """One DER certificate. Raises BundleError."""
    try:
        certificate = x509.load_der_x509_certificate(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise malformed(file, "holds a certificate that cannot be read, it is damaged: export it again.") from error
    refuse_huge_key(certificate, file)
    reading.add_certificate(certificate, file)


def refuse_huge_key(certificate: x509.Certificate, file: str) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return  # an issuer with a key nobody knows is judged by the chain checks
    if isinstance(key, RSAPublicKey):
        private_keys.refuse_huge_rsa(key.key_size, file)


def read_trusted_certificate(content: bytes, reading: Reading, file: str) -> None:
    """OpenSSL's certificate with trust settings after it, which only OpenSSL's own verification uses."""
    try:
        length = parser.peek(content)
    except ValueError as error:
        raise malformed(file, "holds a trusted certificate that cannot be read: export it again.") from error
    read_certificate(content[:length], reading, file)


def read_pkcs7(content: bytes, reading: Reading, file: str) -> None:
    """The certificates of a PKCS#7 (CMS) file (RFC 5652). Raises BundleError."""
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(content)
    except UnsupportedAlgorithm as error:
        raise formats.unsupported_format(
            file, "is a PKCS#7 file without certificates: export the certificate with its chain instead."
        ) from error
    except ValueError as error:
        raise malformed(file, "is a PKCS#7 file that cannot be read, it is damaged: export it again.") from error
    for certificate in certificates:
        refuse_huge_key(certificate, file)
        reading.add_certificate(certificate, file)


def _read_signed(content: bytes, reading: Reading, file: str) -> None:
    """Certificate, signing request and revocation list share one outer shape."""
    for load, label in (
        (x509.load_der_x509_csr, "CERTIFICATE REQUEST"),
        (x509.load_der_x509_crl, "X509 CRL"),
    ):
        try:
            load(content)
        except (ValueError, UnsupportedAlgorithm):
            continue
        reading.pass_over(*_passed_over(label, file))
        return
    read_certificate(content, reading, file)


def _passed_over(label: str, file: str) -> tuple[str, str, str]:
    what, is_what = formats.PASSED_OVER[label]
    return what, file, is_what
