"""The default certificate of a bot, and of the platform."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, NotFound, Stale
from certificates.models import ClientCertificate, VersionStatus


def set_default(*, actor: Actor, certificate: ClientCertificate, expected: str | None = None) -> ClientCertificate:
    """Make it the one default of its bot, or of the platform. The default already: nothing changes.

    `expected` is the path of the default as the caller last saw it, empty without one. Raises `NotAllowed`, `NotFound`,
    `Stale`, or `Conflict`: it has no active version, or somebody chose another one at the same moment.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    try:
        with transaction.atomic():
            lock_owner(certificate.bot)
            refuse_stale(certificate.bot, expected)
            locked = lock_certificate(certificate)
            if not locked.is_default:
                claim_default(actor, locked)
    except IntegrityError as error:
        raise Conflict("Somebody chose another default at the same moment. Look again, then decide.") from error
    return locked


@transaction.atomic
def clear_default(*, actor: Actor, certificate: ClientCertificate, expected: str | None = None) -> ClientCertificate:
    """Leave its bot, or the platform, without a default. Not the default: nothing changes.

    `expected` as above. Raises `NotAllowed`, `NotFound`, `Stale`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    lock_owner(certificate.bot)
    refuse_stale(certificate.bot, expected)
    locked = lock_certificate(certificate)
    if locked.is_default:
        locked.is_default = False
        locked.save(update_fields=["is_default"])
        record(actor, Action.DEFAULT_CLEARED, locked, {})
    return locked


def refuse_stale(owner: Bot | None, expected: str | None) -> None:
    """Raises `Stale` unless the default of the owner, who is locked, is the expected one."""
    if expected is None:
        return
    default = ClientCertificate.objects.of_owner(owner).filter(is_default=True).select_related("bot").first()
    if expected != (default.path if default else ""):
        raise Stale("Somebody chose another default meanwhile. Look at what would change now, then decide.")


def claim_default(actor: Actor, certificate: ClientCertificate) -> None:
    """Take the default from whatever has it. Call inside a transaction, with the owner locked.

    Raises `Conflict` without an active version: every node that relies on the default would have nothing to present.
    """
    if not certificate.versions.filter(status=VersionStatus.ACTIVE).exists():
        raise not_usable(certificate.path)
    others = ClientCertificate.objects.of_owner(certificate.bot).filter(is_default=True).exclude(pk=certificate.pk)
    before = [other.path for other in others.select_related("bot").select_for_update(of=("self",), no_key=True)]
    others.update(is_default=False)
    certificate.is_default = True
    certificate.save(update_fields=["is_default"])
    record(actor, Action.DEFAULT_SET, certificate, {"before": before[0] if before else None})


def not_usable(path: str) -> Conflict:
    """The certificate at `path` cannot become the default yet."""
    return Conflict(f"“{path}” has no active version, so it cannot be a default: nodes would have nothing to present.")


def lock_owner(owner: Bot | None) -> None:
    """Let one at a time change what a bot owns. The platform has no row; the unique constraints guard it."""
    if owner and Bot.objects.select_for_update(no_key=True).filter(pk=owner.pk).first() is None:
        raise NotFound(f"There is no bot “{owner.slug}”.")


def lock_certificate(certificate: ClientCertificate) -> ClientCertificate:
    """The row as it is now, locked until the transaction ends. Raises `NotFound`."""
    rows = ClientCertificate.objects.select_related("bot").select_for_update(of=("self",), no_key=True)
    locked = rows.filter(pk=certificate.pk).first()
    if locked is None:
        raise NotFound(f"There is no client certificate “{certificate.path}” any more.")
    return locked


def record(actor: Actor, action: Action, certificate: ClientCertificate, facts: dict[str, object]) -> None:
    """One audit row about a client certificate."""
    trail.record(
        actor=actor,
        action=action,
        object_type="certificate",
        object_id=certificate.pk,
        object_name=certificate.path,
        bot=certificate.bot,
        facts=facts,
    )
