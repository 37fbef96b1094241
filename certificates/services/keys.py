"""Opening a private key: in this one place, for a stated purpose, on the record."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.audit.trail import record
from certificates.errors import CredentialUnusable
from certificates.key_storage import open_private_key
from certificates.models import CertificateVersion, ChainRole, SealedKey, VersionStatus
from certificates.pki.credential import Credential, PrivateKey
from certificates.pki.secret import Secret

_UNUSABLE = {
    VersionStatus.DRAFT: "{version} is a draft: it waits for the CA's reply, so there is no certificate to present.",
    VersionStatus.DESTROYED: "{version} was destroyed: its private key is gone.",
}


class Purpose(StrEnum):
    """Why a key is opened, as the audit trail tells it. Closed list."""

    CONNECTION_TEST = "connection_test"
    INVOKE = "invoke"
    SIGN_REQUEST = "sign_request"  # a renewal that keeps the key
    SEAL_AGAIN = "seal_again"  # a version of the same certificate with more of its chain


def open_credential(*, version: CertificateVersion, purpose: Purpose, actor: Actor) -> Credential:
    """The credential of a version, ready to present. The only way to a private key.

    The caller has authorised the act on its own object (a node's bot, say: a node may present the platform's
    certificate). This records who opened which key and why, in a transaction of its own that is committed before
    the key is handed out; so it must not be called inside another (RuntimeError).

    Raises CredentialUnusable, Sealed, or EnvelopeBroken.
    """
    with transaction.atomic(durable=True):
        row = CertificateVersion.objects.select_related("certificate__bot").get(pk=version.pk)
        credential = _credential(row)
        record(
            actor=actor,
            action=Action.KEY_OPENED,
            object_type="certificate",
            object_id=row.certificate_id,
            object_name=row.certificate.path,
            bot=row.certificate.bot,
            facts={"purpose": Purpose(purpose).value, "version": row.number, "sha256": row.sha256},
        )
    return credential


def certificates_of(version: CertificateVersion) -> tuple[x509.Certificate, ...]:
    """Leaf and intermediates as they would be presented, without the key; empty where opening will say why not."""
    try:
        return tuple(_certificates(version))
    except CredentialUnusable:
        return ()


def _credential(version: CertificateVersion) -> Credential:
    if sentence := _UNUSABLE.get(VersionStatus(version.status)):
        raise CredentialUnusable(sentence.format(version=version))
    sealed_key = SealedKey.objects.filter(version=version).first()
    if sealed_key is None:
        raise CredentialUnusable(f"{version} has no private key.")
    leaf, *intermediates = _certificates(version)
    credential = Credential(
        leaf=leaf,
        chain=tuple(intermediates),
        private_key=_private_key(version, open_private_key(version=version, sealed_key=sealed_key)),
        spki_sha256=version.spki_sha256,
        label=version.certificate.path,
        version=version.number,
    )
    _check_key_fits(version, credential)
    return credential


def _certificates(version: CertificateVersion) -> list[x509.Certificate]:
    """The leaf and the intermediates in sending order."""
    rows = version.chain.filter(role=ChainRole.INTERMEDIATE).order_by("position")
    try:
        return [x509.load_der_x509_certificate(bytes(der)) for der in (version.leaf_der, *(row.der for row in rows))]
    except ValueError as error:
        raise CredentialUnusable(f"The stored certificates of {version} cannot be read.") from error


def _private_key(version: CertificateVersion, der: Secret) -> PrivateKey:
    try:
        # It was validated when it was imported, and only this product can have sealed it.
        key = load_der_private_key(der.reveal(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CredentialUnusable(f"The private key of {version} cannot be read.") from error
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey):
        raise CredentialUnusable(f"The private key of {version} is of a kind that TLS does not use.")
    return key


def _check_key_fits(version: CertificateVersion, credential: Credential) -> None:
    of_key, of_leaf = (
        hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        for public in (credential.private_key.public_key(), credential.leaf.public_key())
    )
    if not of_key == of_leaf == version.spki_sha256:
        raise CredentialUnusable(f"The stored private key does not belong to the certificate of {version}.")
