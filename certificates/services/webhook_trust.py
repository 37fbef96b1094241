"""By which trust store the server of a webhook is proven: a receiver on the premises has a CA of its own."""

from __future__ import annotations

from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput, NotFound
from botplatform.notifications.models import WebhookEndpoint
from certificates.models import TrustStore, WebhookTrust


@transaction.atomic
def choose_trust(*, actor: Actor, endpoint: WebhookEndpoint, trust_store: TrustStore | None) -> None:
    """Prove its server by the trust store; None: by the system's authorities. The same again changes nothing.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` (a trust store of another bot).
    """
    authorize(actor, Permission.BOT_CHANGE, bot=endpoint.bot)
    if trust_store is not None and trust_store.bot_id not in {None, endpoint.bot_id}:
        raise InvalidInput("The trust store belongs to another bot.", field="trust_store")
    locked = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True).filter(pk=endpoint.pk)
    if locked.first() is None:
        raise NotFound("This webhook was removed.")
    chosen = WebhookTrust.objects.filter(endpoint=endpoint)
    if chosen.values_list("trust_store", flat=True).first() == (trust_store.pk if trust_store else None):
        return
    chosen.delete()
    if trust_store is not None:
        WebhookTrust.objects.create(endpoint=endpoint, trust_store=trust_store)
    trail.record(
        actor=actor,
        action=Action.WEBHOOK_CHANGED,
        object_type="webhook",
        object_id=endpoint.pk,
        object_name=endpoint.host,
        bot=endpoint.bot,
        facts={"trust_store": trust_store.path if trust_store else None},
    )


def anchors_of(endpoint: WebhookEndpoint) -> tuple[bytes, ...]:
    """DER of what its server is proven by; empty: the system's authorities. Raises `Conflict` (it trusts nobody).

    `notifications.channels` calls it by its name in the settings.
    """
    chosen = WebhookTrust.objects.select_related("trust_store__bot").filter(endpoint=endpoint).first()
    if chosen is None:
        return ()
    store = chosen.trust_store
    anchors = tuple(bytes(der) for der in store.anchors.values_list("der", flat=True))
    if not anchors:
        raise Conflict(f"The trust store “{store.path}” is empty, so no server can be trusted with it.")
    return anchors
