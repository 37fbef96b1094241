"""The fallback window: for some days after a promotion, rejected calls are made once more with the version before.

This room sets it. Calls ask for `earlier_version` when they are rejected.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import InvalidInput
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services import defaults

MOST_DAYS = 90


@transaction.atomic
def set_fallback(*, actor: Actor, certificate: ClientCertificate, days: int) -> ClientCertificate:
    """From now on each promotion opens a window of so many days; 0: none, and an open one is closed.

    Where there is a version to fall back to, a window opens at once. The same number: nothing changes.
    Raises `NotAllowed`, `NotFound`, `InvalidInput`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    if not 0 <= days <= MOST_DAYS:
        raise InvalidInput(f"The fallback window is 0 to {MOST_DAYS} days long.", field="fallback_days")
    locked = defaults.lock_certificate(certificate)
    before = locked.fallback_days
    if days != before:
        opens = days and _before(locked) is not None
        locked.fallback_days = days
        locked.fallback_until = timezone.now() + timedelta(days=days) if opens else None
        locked.save(update_fields=["fallback_days", "fallback_until"])
        facts: dict[str, object] = {"fallback_days": {"from": before, "to": days}}
        defaults.record(actor, Action.CERTIFICATE_CHANGED, locked, facts)
    return locked


def earlier_version(certificate: ClientCertificate) -> CertificateVersion | None:
    """What a rejected call may present instead: the version before, while a window is open and it is valid."""
    now = timezone.now()
    if not ClientCertificate.objects.filter(pk=certificate.pk, fallback_until__gt=now).exists():
        return None
    earlier = _before(certificate)
    return earlier if earlier is not None and earlier.not_before <= now < earlier.not_after else None


def _before(certificate: ClientCertificate) -> CertificateVersion | None:
    """The version that was active just before, unless it is destroyed. Never an older one: it was replaced long ago."""
    earlier = certificate.versions.filter(turn__isnull=False).exclude(status=VersionStatus.ACTIVE)
    found: CertificateVersion | None = earlier.order_by("-turn").first()
    return found if found is not None and found.status == VersionStatus.RETIRED else None
