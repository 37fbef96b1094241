"""Posting to the outbox, and sending again by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import PlatformRole, User
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.bots.roles import Permission, Role
from botplatform.errors import Conflict
from botplatform.notifications.models import SETTLED, Channel, Delivery, DeliveryState, WebhookEndpoint

TOLD_ROLES = (Role.CERTIFICATE_MANAGER.value, Role.OWNER.value)


def post(
    *,
    event: str,
    key: str,
    bot: Bot | None,
    title: str,
    text: str,
    link: str = "",
    data: Mapping[str, Any] | None = None,
    also: Sequence[str] = (),
    urgent: bool = False,
) -> int:
    """Tell those concerned of what just happened, in the transaction that makes it happen. Returns how many are told.

    They are the bot's owners and certificate managers (the administrators, without a bot), the security address, the
    addresses in `also`, and the webhooks of the bot and of the platform. `key` names what happened: the same
    key again tells nobody twice. `title` is one line, `text` plain text without a secret, `link` a path of the
    console, `data` plain JSON for programs.

    Raises TransactionManagementError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("post() must run in the transaction of what it tells of")
    facts = {**(data or {}), "bot": bot.slug if bot else PLATFORM_SLUG}
    shared: dict[str, Any] = {"key": key[:200], "event": event, "bot": bot, "link": link, "urgent": urgent}
    shared |= {"title": " ".join(title.split())[:200], "text": text, "data": facts}
    named = {address.lower() for address in (*also, settings.SECURITY_EMAIL)}
    known = set(Delivery.objects.filter(key=shared["key"]).values_list("channel", "recipient"))
    rows = [
        *(
            Delivery(channel=Channel.MAIL, recipient=address, by_role=address.lower() not in named, **shared)
            for address in addresses(bot, also)
        ),
        *(
            Delivery(channel=Channel.WEBHOOK, recipient=str(endpoint.pk), endpoint=endpoint, **shared)
            for endpoint in WebhookEndpoint.objects.filter(Q(bot=bot) | Q(bot__isnull=True))
        ),
    ]
    new = [row for row in rows if (row.channel, row.recipient) not in known]
    Delivery.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def addresses(bot: Bot | None, also: Sequence[str] = ()) -> list[str]:
    """The mail addresses of those concerned with `bot` or with the platform, each once."""
    found = [*also, *_people(bot), settings.SECURITY_EMAIL]
    return list({address.lower(): address for address in found if address}.values())


def has_left(delivery: Delivery) -> bool:
    """Whether it was meant for somebody's role, and nobody with this address has such a role any more."""
    return delivery.by_role and delivery.recipient.lower() not in {found.lower() for found in _people(delivery.bot)}


def _people(bot: Bot | None) -> list[str]:
    people = User.objects.filter(is_active=True).exclude(email="").order_by("username")
    if bot is None:
        people = people.filter(platform_role=PlatformRole.ADMINISTRATOR)
    else:
        people = people.filter(memberships__bot=bot, memberships__role__in=TOLD_ROLES)
    return list(people.values_list("email", flat=True))


@transaction.atomic
def send_again(*, actor: Actor, delivery: Delivery) -> Delivery:
    """Put a delivery that was sent or given up back into the outbox, under the same id. Who has left is not told.

    Raises `NotAllowed`, and `Conflict` for one that waits to be sent, or whose endpoint was removed.
    """
    authorize(actor, Permission.BOT_CHANGE, bot=delivery.bot)
    locked = Delivery.objects.select_for_update(of=("self",)).select_related("bot", "endpoint").get(pk=delivery.pk)
    if locked.state not in SETTLED:
        raise Conflict("It waits to be sent already.")
    if locked.channel == Channel.WEBHOOK and locked.endpoint is None:
        raise Conflict("Its endpoint was removed, so it cannot be sent there again.")
    locked.state, locked.attempt, locked.due_at, locked.sent_at = DeliveryState.WAITING, 0, timezone.now(), None
    locked.note = f"Sent again by {actor.name}."[:300]
    locked.save(update_fields=["state", "attempt", "due_at", "sent_at", "note"])
    trail.record(
        actor=actor,
        action=Action.NOTIFICATION_SENT_AGAIN,
        object_type="delivery",
        object_id=locked.pk,
        object_name=locked.title,
        bot=locked.bot,
        facts={"channel": locked.channel, "to": locked.to},
    )
    return locked
