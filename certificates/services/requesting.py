"""Asking a CA for a certificate: the key is made here and sealed at once, the request goes out, the reply comes later.

What waits for the reply is a draft: a version with a key and no leaf. `services.completing` takes the reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from django.db import IntegrityError, transaction
from django.db.models import Case, QuerySet, Value, When

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from botplatform.validation import check_model, refuse_route
from certificates import key_storage
from certificates.models import CertificateRequest, CertificateVersion, ClientCertificate, SealedKey, VersionStatus
from certificates.pki import csr
from certificates.pki.credential import PrivateKey
from certificates.pki.csr import KeyKind
from certificates.pki.facts import kind_of
from certificates.pki.secret import Secret
from certificates.pki.subjects import Asked, asked_by, asked_for, no_subject
from certificates.services import defaults, material, storing
from certificates.services.keys import Purpose, open_credential
from certificates.services.storing import Overtaken

ATTEMPTS = 40  # each failed one means that somebody else's version of the same name went through


@dataclass(frozen=True, slots=True)
class Requested:
    """A new draft, and the request for the CA (DER).

    With a challenge in it the request is told this once only: the stored one (`version.signing_request`) has none.
    """

    certificate: ClientCertificate
    version: CertificateVersion
    csr: bytes

    @property
    def pem(self) -> str:
        return csr.pem(self.csr)


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for, with its key."""

    actor: Actor
    owner: Bot | None
    name: str
    asked: Asked
    key: PrivateKey
    same_key: bool
    challenge: Secret | None

    @property
    def spki_sha256(self) -> str:
        return hashlib.sha256(csr.spki_der(self.key)).hexdigest()


def request(
    *,
    actor: Actor,
    owner: Bot | None,
    name: str,
    subject: str | None = None,
    sans: Sequence[str] | None = None,
    key: KeyKind = KeyKind.EC_P256,
    same_key: bool = False,
    challenge: Secret | None = None,
) -> Requested:
    """Make a key, or with `same_key` take that of the version it renews, and a request to sign it.

    The certificate `name` of `owner` (None: the platform) is made if there is none. `subject` (RFC 4514) and `sans`
    that are None are those of the version it renews; a first certificate needs a subject. To go without one is said by
    an empty text. `challenge` is told to the CA and not stored.

    Raises `NotAllowed`, `NotFound`, `InvalidInput`, `Sealed`, `CredentialUnusable` (the same key cannot be opened),
    `Conflict` (a request with the same key is open). Do not call it inside a transaction with `same_key`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=owner)
    check_model(ClientCertificate(name=name))
    refuse_route(name, "import", field="name")
    key_storage.fitting_keyring()
    before = renewed(ClientCertificate.objects.of_owner(owner).filter(name=name).first())
    asked = _asked(before, subject, sans)
    private_key = _key_of(actor, before, name) if same_key else csr.make_key(key)
    order = _Order(actor, owner, name, asked, private_key, same_key, challenge)
    told = csr.build(private_key, asked, challenge=challenge)
    kept = told if challenge is None else csr.build(private_key, asked)
    for _ in range(ATTEMPTS):
        try:
            version = _attempt(order, kept)
        except (Overtaken, IntegrityError):
            continue
        return Requested(version.certificate, version, told)
    raise Conflict("Others keep changing the same certificate. Try again in a moment.")


def open_requests(certificate: ClientCertificate) -> QuerySet[CertificateVersion]:
    """Drafts that wait for a CA's reply, newest first."""
    drafts = certificate.versions.filter(status=VersionStatus.DRAFT, signing_request__isnull=False)
    return drafts.order_by("-number")


def renewed(certificate: ClientCertificate | None) -> CertificateVersion | None:
    """The version that a request would renew: the active one, else the newest that has a leaf."""
    if certificate is None:
        return None
    active_first = Case(When(status=VersionStatus.ACTIVE, then=Value(0)), default=Value(1))
    return certificate.versions.exclude(sha256="").order_by(active_first, "-number").first()


def asked_before(version: CertificateVersion) -> Asked:
    """The subject and alternative names of a version with a leaf."""
    return asked_by(x509.load_der_x509_certificate(bytes(version.leaf_der)))


def _asked(before: CertificateVersion | None, subject: str | None, sans: Sequence[str] | None) -> Asked:
    if before is None:
        if subject is None:
            raise no_subject()
        return asked_for(subject, sans or ())
    return asked_for(subject, sans, past=asked_before(before))


def _key_of(actor: Actor, version: CertificateVersion | None, name: str) -> PrivateKey:
    if version is None:
        raise InvalidInput(f"“{name}” has no version yet whose key could be used again.", field="same_key")
    return open_credential(version=version, purpose=Purpose.SIGN_REQUEST, actor=actor).private_key


def _attempt(order: _Order, kept: bytes) -> CertificateVersion:
    """Seal, then lock, check and write; the order of things is that of `services.storing`."""
    found = ClientCertificate.objects.of_owner(order.owner).filter(name=order.name).first()
    certificate = found or ClientCertificate(name=order.name)
    certificate.bot = order.owner
    version = _draft(order, certificate, storing.next_number(certificate))
    sealed = key_storage.seal_private_key(version=version, private_key=csr.private_der(order.key))
    with transaction.atomic():
        version.certificate = storing.claim_number(order.actor, certificate, version.number, new=found is None)
        _refuse_open_key(version)
        _write(order, version, sealed, kept)
    return version


def _draft(order: _Order, certificate: ClientCertificate, number: int) -> CertificateVersion:
    key_type, key_bits = kind_of(order.key.public_key())
    return CertificateVersion(
        certificate=certificate,
        number=number,
        status=VersionStatus.DRAFT,
        leaf_der=b"",
        subject=material.text(order.asked.subject_text),
        spki_sha256=order.spki_sha256,
        key_type=key_type,
        key_bits=key_bits,
        created_by=order.actor.name[:150],
    )


def _refuse_open_key(version: CertificateVersion) -> None:
    """The reply is recognised by the key, so it must not be that of two open requests."""
    drafts = version.certificate.versions.filter(status=VersionStatus.DRAFT, spki_sha256=version.spki_sha256)
    if other := drafts.first():
        text = f"Version {other.number} is an open request with the same key: bring its reply, or discard it first."
        raise Conflict(text, code="same_key_open")


def _write(order: _Order, version: CertificateVersion, sealed: SealedKey, kept: bytes) -> None:
    version.save(force_insert=True)
    sealed.save(force_insert=True)
    stored = CertificateRequest.objects.create(
        version=version,
        csr_der=kept,
        subject=version.subject,
        sans=[material.text(text) for text in order.asked.san_texts],
        same_key=order.same_key,
        created_by=version.created_by,
    )
    facts: dict[str, object] = {
        "version": version.number,
        "subject": version.subject,
        "san": stored.sans,
        "key": version.key_type if version.key_type != "rsa" else f"rsa-{version.key_bits}",
        "spki_sha256": version.spki_sha256,
        "same_key": order.same_key,
        "challenge": order.challenge is not None,
    }
    defaults.record(order.actor, Action.VERSION_REQUESTED, version.certificate, facts)
