"""Watches what expires, and who is told of one certificate beside its bot's people."""

from __future__ import annotations

import time

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import InvalidInput
from botplatform.notifications.reminders import HORIZON
from botplatform.notifications.services.reminding import remind
from certificates import endings
from certificates.models import ClientCertificate
from certificates.services import defaults

BUDGET_S = 120.0  # well within the lease of a duty; what is left over comes with the next run


def watch_expiry() -> int:
    """Remind of leafs, issuers and trust anchors that end. A duty. Returns how many reminders were posted."""
    stop, now = time.monotonic() + BUDGET_S, timezone.now()
    horizon, posted = now + HORIZON, 0
    for versions in endings.pages(endings.until(endings.watched_versions(), horizon, now)):
        posted += remind(endings.of_versions(versions, now), now=now)
        if time.monotonic() > stop:
            return posted
    for anchors in endings.pages(endings.until(endings.watched_anchors(), horizon, now)):
        posted += remind(endings.of_anchors(anchors), now=now)
    return posted + remind(endings.of_issuers(endings.until(endings.watched_issuers(), horizon, now)), now=now)


@transaction.atomic
def set_responsible(*, actor: Actor, certificate: ClientCertificate, address: str) -> ClientCertificate:
    """Whom to tell beside the bot's owners and certificate managers; empty: nobody. The same one changes nothing.

    Raises `NotAllowed`, `NotFound`, `InvalidInput`.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    wanted = address.strip()
    if wanted:
        try:
            validate_email(wanted)
        except ValidationError as error:
            raise InvalidInput(f"“{wanted[:80]}” is not a mail address.", field="responsible") from error
    locked = defaults.lock_certificate(certificate)
    before = locked.responsible
    if wanted != before:
        locked.responsible = wanted
        locked.save(update_fields=["responsible"])
        facts: dict[str, object] = {"responsible": {"from": before, "to": wanted}}
        defaults.record(actor, Action.CERTIFICATE_CHANGED, locked, facts)
    return locked
