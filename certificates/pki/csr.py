"""Certificate signing requests (PKCS#10, RFC 2986): the key and the request. Whom it is for: `pki.subjects`."""

from __future__ import annotations

import re
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID

from botplatform.errors import InvalidInput
from certificates.pki.credential import PrivateKey
from certificates.pki.secret import Secret
from certificates.pki.subjects import Asked

MAX_CHALLENGE_CHARACTERS = 255  # RFC 2985, pkcs-9-ub-challengePassword


class KeyKind(StrEnum):
    """The keys that are made here."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"


def make_key(kind: KeyKind) -> PrivateKey:
    """A fresh private key. RSA 4096 may take a second."""
    match kind:
        case KeyKind.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.ED25519:
            return Ed25519PrivateKey.generate()
        case KeyKind.RSA_3072 | KeyKind.RSA_4096:
            return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))


def build(key: PrivateKey, asked: Asked, *, challenge: Secret | None = None) -> bytes:
    """The request in DER, signed with the key. It asks for a client's certificate (RFC 5280, sections 4.2.1.3 and 12).

    `challenge` becomes the challengePassword (RFC 2985, section 5.4.1), in clear, as a few CAs demand. Raises
    `InvalidInput`.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(asked.subject)
    if asked.sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(asked.sans), critical=not asked.subject.rdns)
    builder = builder.add_extension(_signing_only(), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge_value(challenge))
    return builder.sign(key, _hash_for(key)).public_bytes(Encoding.DER)


def pem(der: bytes) -> str:
    """A request as a CA takes it."""
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM).decode("ascii")


def private_der(key: PrivateKey) -> Secret:
    """The key as it is sealed: PKCS#8."""
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def spki_der(key: PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo of its public half."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def challenge_value(challenge: Secret) -> bytes:
    """The challenge as it stands in a request. Raises `InvalidInput`."""
    value = challenge.reveal()
    if not 1 <= len(value) <= MAX_CHALLENGE_CHARACTERS or not re.fullmatch(rb"[ -~]+", value):
        text = f"The challenge has 1 to {MAX_CHALLENGE_CHARACTERS} printable ASCII characters; this one has others."
        raise InvalidInput(text, field="challenge")
    return value


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(key, Ed25519PrivateKey | Ed448PrivateKey):
        return None  # EdDSA brings its own hash
    return hashes.SHA384() if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256 else hashes.SHA256()


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
