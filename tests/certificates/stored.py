"""Puts certificates into the database without the import, for tests of what comes after it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from botplatform.bots.models import Bot
from certificates.key_storage import seal_private_key
from certificates.models import (
    CertificateVersion,
    ChainCertificate,
    ChainRole,
    ClientCertificate,
    VersionStatus,
)
from certificates.pki.secret import Secret
from tests.pki import Issued


def store(
    issued: Issued,
    *,
    bot: Bot | None,
    name: str = "api",
    number: int = 1,
    status: VersionStatus = VersionStatus.ACTIVE,
) -> CertificateVersion:
    """A version of `bot`'s (or the platform's) certificate `name`, with its chain and sealed key."""
    certificate, _ = ClientCertificate.objects.get_or_create(bot=bot, name=name)
    leaf = issued.certificate
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    version = CertificateVersion.objects.create(
        certificate=certificate,
        number=number,
        status=status,
        leaf_der=issued.der,
        subject=leaf.subject.rfc4514_string(),
        issuer=leaf.issuer.rfc4514_string(),
        serial=f"{leaf.serial_number:x}",
        sha256=hashlib.sha256(issued.der).hexdigest(),
        spki_sha256=hashlib.sha256(spki).hexdigest(),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        key_type="ec-p256",
        key_bits=256,
        created_by="tests",
    )
    _store_chain(version, issued)
    seal_private_key(version=version, private_key=Secret(issued.key_pkcs8_der)).save()
    return version


def _store_chain(version: CertificateVersion, issued: Issued) -> None:
    roots = [issued.root] if issued.root else []
    for position, certificate in enumerate([*issued.chain, *roots], start=1):
        der = certificate.public_bytes(Encoding.DER)
        ChainCertificate.objects.create(
            version=version,
            position=position,
            role=ChainRole.ROOT if certificate in roots else ChainRole.INTERMEDIATE,
            der=der,
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            sha256=hashlib.sha256(der).hexdigest(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
