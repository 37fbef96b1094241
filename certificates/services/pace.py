"""How often somebody may let the console call a CA: it must not become a way to find out which ports are open.

What counts is on record. A check counts each time. Renewals, chosen or asked for, count once for each issuer, so all
certificates of an issuer may be renewed at once; asking for the same one again counts each time.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.audit.actions import Action
from botplatform.audit.models import AuditEvent
from botplatform.errors import Conflict

WINDOW, MOST = timedelta(minutes=1), 10  # calls of one actor in a window
RENEWALS = (Action.RENEWAL_REQUESTED, Action.RENEWAL_CHANGED)


def refuse_haste(actor: Actor) -> None:
    """Raises `Conflict` for too many. Call it after `record()`, which lets one at a time get here."""
    if actor.kind is ActorKind.OPERATING_SYSTEM:
        return  # whoever has a shell needs no console to look for ports
    if _calls(actor) > MOST:
        text = f"You let the console ask CAs {MOST} times within a minute. Try again in a minute."
        raise Conflict(text, code="too_often")


def _calls(actor: Actor) -> int:
    recent = AuditEvent.objects.filter(at__gt=timezone.now() - WINDOW, actor_kind=actor.kind, actor_name=actor.name)
    checks = recent.filter(action=Action.ISSUER_CHECKED).count()
    renewals = list(recent.filter(action__in=RENEWALS).values_list("action", "object_id", "facts"))
    issuers = {facts["issuer"] for _, _, facts in renewals if facts.get("issuer")}
    asked_for = [certificate for action, certificate, _ in renewals if action == Action.RENEWAL_REQUESTED]
    return checks + len(issuers) + len(asked_for) - len(set(asked_for))
