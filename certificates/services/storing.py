"""Stores an inspected certificate: make a plan, seal, then lock, check the plan and write.

Sealing happens before the write lock is taken, because a key provider may be slow. Who is overtaken by another
import of the same name raises `Overtaken` and is asked to plan and seal again.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.models import Bot
from certificates import key_storage
from certificates.models import CertificateVersion, ChainCertificate, ClientCertificate, SealedKey, VersionStatus
from certificates.pki.inspection import Inspection
from certificates.services import activating, defaults, material


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, and what the files hold."""

    actor: Actor
    owner: Bot | None
    name: str
    inspection: Inspection
    make_default: bool
    stage: bool
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the order means for what is stored now."""

    certificate: ClientCertificate | None
    same: CertificateVersion | None  # the active or staged version with the same material
    number: int  # of a new version
    promote: bool  # `same` is staged and becomes active
    default: bool  # the default changes

    @property
    def changes(self) -> bool:
        return self.same is None or self.promote or self.default


class Overtaken(Exception):
    """Somebody else's import changed what the plan was made for."""


def make_plan(order: Order) -> Plan:
    """Look at what is stored."""
    certificate = ClientCertificate.objects.of_owner(order.owner).filter(name=order.name).first()
    if certificate is None:
        return Plan(None, None, 1, promote=False, default=order.make_default)
    certificate.bot = order.owner
    usable = certificate.versions.filter(sealed_key__isnull=False).prefetch_related("chain")
    same = material.same_material(order.inspection, list(usable.defer("leaf_der", "findings")))
    return Plan(
        certificate,
        same,
        number=next_number(certificate),
        promote=same is not None and same.status == VersionStatus.STAGED and not order.stage,
        default=order.make_default and not certificate.is_default,
    )


def attempt(order: Order) -> tuple[ClientCertificate, CertificateVersion, bool]:
    """The certificate, the version with this material, and whether anything changed.

    Raises `Sealed` before anything is written; `Overtaken` or IntegrityError when another import was faster.
    """
    key_storage.fitting_keyring()
    plan = make_plan(order)
    if plan.certificate and plan.same and not plan.changes:
        return plan.certificate, plan.same, False
    certificate = plan.certificate or ClientCertificate(bot=order.owner, name=order.name)
    version = plan.same or _new_version(order, plan, certificate)
    sealed = None if plan.same else _seal(order, version)
    with transaction.atomic():
        certificate = _lock(order, plan, certificate)
        version.certificate = certificate
        if sealed is not None:
            _write(order, version, sealed)
        elif plan.promote:
            activating.promote(order.actor, version, {"allowed_findings": list(order.allowed)})
        if plan.default:
            defaults.claim_default(order.actor, certificate)
    return certificate, version, True


def refuse_empty_default(order: Order, plan: Plan) -> None:
    """Raises `Conflict`, for a dry run, where `claim_default` would: what is staged cannot be presented yet."""
    usable = plan.certificate and plan.certificate.versions.filter(status=VersionStatus.ACTIVE).exists()
    if plan.default and order.stage and not usable:
        raise defaults.not_usable(ClientCertificate(bot=order.owner, name=order.name).path)


def claim_number(actor: Actor, certificate: ClientCertificate, number: int, *, new: bool) -> ClientCertificate:
    """Lock the owner and the certificate, made now if it is `new`. Call inside a transaction.

    Raises `Overtaken` unless `number` is that of its next version; IntegrityError if somebody made the same one.
    """
    defaults.lock_owner(certificate.bot)
    if new:
        certificate.save(force_insert=True)
        facts: dict[str, object] = {"owner": certificate.bot.slug if certificate.bot else "platform"}
        defaults.record(actor, Action.CERTIFICATE_CREATED, certificate, facts)
        return certificate
    locked = defaults.lock_certificate(certificate)
    if next_number(locked) != number:
        raise Overtaken
    return locked


def next_number(certificate: ClientCertificate) -> int:
    return int(certificate.versions.aggregate(last=Max("number"))["last"] or 0) + 1


def _new_version(order: Order, plan: Plan, certificate: ClientCertificate) -> CertificateVersion:
    return material.version_row(
        order.inspection,
        certificate=certificate,
        number=plan.number,
        status=VersionStatus.STAGED if order.stage else VersionStatus.ACTIVE,
        allowed_findings=list(order.allowed),
        created_by=order.actor.name[:150],
    )


def _seal(order: Order, version: CertificateVersion) -> SealedKey:
    private_key = order.inspection.private_key
    assert private_key is not None  # noqa: S101 - importable
    return key_storage.seal_private_key(version=version, private_key=private_key)


def _lock(order: Order, plan: Plan, certificate: ClientCertificate) -> ClientCertificate:
    """As `claim_number`; raise `Overtaken` also if another part of the plan no longer holds."""
    locked = claim_number(order.actor, certificate, plan.number, new=plan.certificate is None)
    if plan.certificate and plan.default and locked.is_default:
        raise Overtaken
    if plan.same and not locked.versions.filter(pk=plan.same.pk, status=plan.same.status).exists():
        raise Overtaken
    return locked


def _write(order: Order, version: CertificateVersion, sealed: SealedKey) -> None:
    with activating.taking_place(order.actor, version, VersionStatus(version.status)) as before:
        version.save(force_insert=True)
        ChainCertificate.objects.bulk_create(material.chain_rows(order.inspection, version))
        sealed.save(force_insert=True)
        facts = material.stored_facts(version, before)
        defaults.record(order.actor, Action.VERSION_IMPORTED, version.certificate, facts)
