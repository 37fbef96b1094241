"""Where signed webhooks go: adding and removing endpoints, and trying one."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from botplatform import outbound, sealing
from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from botplatform.notifications import signing
from botplatform.notifications.models import Channel, Delivery, WebhookEndpoint
from botplatform.validation import check_model, one_line

MOST = 10
TEST_EVENT = "webhook.test"


@transaction.atomic
@sensitive_variables("secret")
def add_endpoint(*, actor: Actor, owner: Bot | None, url: str) -> tuple[WebhookEndpoint, str]:
    """Send signed webhooks of `owner` (None: of everything) to `url`. Returns the secret too, shown this once.

    Raises `NotAllowed`, `InvalidInput` (the address), `Conflict` (too many), and `Sealed`.
    """
    authorize(actor, Permission.BOT_CHANGE, bot=owner)
    endpoint = WebhookEndpoint(bot=owner, url=_address(url), created_by=actor.name[:150])
    secret = signing.new_secret()
    sealing.seal(endpoint, secret)
    check_model(endpoint)
    endpoint.save(force_insert=True)
    _record(actor, Action.WEBHOOK_ADDED, endpoint)
    _refuse_more(endpoint)
    return endpoint, secret


@transaction.atomic
def remove_endpoint(*, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """Send nothing there any more. What was sent stays in the log. Raises `NotAllowed`."""
    authorize(actor, Permission.BOT_CHANGE, bot=endpoint.bot)
    key = endpoint.pk
    endpoint.delete()
    endpoint.pk = key  # Django clears it
    _record(actor, Action.WEBHOOK_REMOVED, endpoint)


@transaction.atomic
def send_test(*, actor: Actor, endpoint: WebhookEndpoint) -> Delivery:
    """Post a message to this endpoint only. Raises `NotAllowed`."""
    authorize(actor, Permission.BOT_CHANGE, bot=endpoint.bot)
    key = uuid.uuid4()
    delivery = Delivery(
        id=key,
        key=f"test:{key}",
        event=TEST_EVENT,
        bot=endpoint.bot,
        channel=Channel.WEBHOOK,
        recipient=str(endpoint.pk),
        endpoint=endpoint,
        title="A test of this webhook",
        text=f"{actor.name} asked for it. Nothing happened.",
        data={"bot": endpoint.bot.slug if endpoint.bot else "platform"},
    )
    delivery.save(force_insert=True)
    _record(actor, Action.WEBHOOK_TRIED, endpoint)
    return delivery


def _refuse_more(endpoint: WebhookEndpoint) -> None:
    """Call it after `record()`, which lets one at a time get here."""
    others = WebhookEndpoint.objects.of_owner(endpoint.bot).exclude(pk=endpoint.pk)
    if others.filter(url=endpoint.url).exists():
        raise InvalidInput("Webhooks go to this address already.", field="url")
    if others.count() >= MOST:
        raise Conflict(f"There are {MOST} endpoints already. Remove one first.")


def _address(url: str) -> str:
    text = one_line(url, field="url", label="The address", max_length=500)
    try:
        parts = urlsplit(text)
        fine = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or "@" in parts.netloc or parts.fragment or not text.isascii():
        hint = "such as https://hooks.example.com/certificates"
        raise InvalidInput(f"The address must be a whole HTTPS address {hint}, without user or fragment.", field="url")
    outbound.check(text)
    return text


def _record(actor: Actor, action: Action, endpoint: WebhookEndpoint) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="webhook",
        object_id=endpoint.pk,
        object_name=endpoint.host,
        bot=endpoint.bot,
        facts={},
    )
