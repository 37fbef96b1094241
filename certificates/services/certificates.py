"""Deleting a client certificate that nothing uses."""

from __future__ import annotations

from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, Stale
from certificates.models import CertificateVersion, ClientCertificate, SealedKey
from certificates.services import defaults
from certificates.services.deleting import delete_unused


@transaction.atomic
def delete_certificate(*, actor: Actor, certificate: ClientCertificate, expected_state: str | None = None) -> None:
    """Delete a certificate with all its versions and sealed keys, for good.

    Raises `NotAllowed`, `NotFound`, `Conflict` while a node uses it or while it is a default, and `Stale` when an
    `expected_state` is given that is past.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    locked = defaults.lock_certificate(certificate)
    if expected_state not in {None, locked.state}:
        raise Stale("Somebody changed this certificate meanwhile. Look at it again, then decide.")
    if locked.is_default:
        whose = f"of the bot {locked.bot.slug}" if locked.bot else "of the platform"
        raise Conflict(f"“{locked.path}” is the default certificate {whose}. Choose another default first.")
    versions = CertificateVersion.objects.filter(certificate=locked)
    facts: dict[str, object] = {"versions": list(versions.order_by("number").values_list("sha256", flat=True))}
    key = locked.pk
    with transaction.atomic():
        SealedKey.objects.filter(version__certificate=locked).delete()
        versions.delete()
        delete_unused(locked, actor=actor, what=f"The client certificate “{locked.path}”")
    locked.pk = key  # Django clears it
    defaults.record(actor, Action.CERTIFICATE_DELETED, locked, facts)
