"""Who is told, and that the same thing is told once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from botplatform import sealing
from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from botplatform.notifications.models import Delivery, DeliveryState, WebhookEndpoint
from botplatform.notifications.services.outbox import post, send_again
from botplatform.notifications.services.webhooks import add_endpoint, remove_endpoint, send_test

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.com/in"


def tell(bot: Bot | None, key: str = "k", **more: Any) -> int:
    return post(event="certificate.expiring", key=key, bot=bot, title="It expires", text="Soon.", **more)


def told() -> set[str]:
    return set(Delivery.objects.values_list("recipient", flat=True))


def give_addresses(*users: User) -> None:
    for user in users:
        user.email = f"{user.username}@example.com"
        user.save(update_fields=["email"])


def test_owners_managers_and_the_security_address_are_told(
    bot: Bot, owner: User, manager: User, developer: User, administrator: User, settings: Settings
) -> None:
    settings.SECURITY_EMAIL = "security@example.com"
    give_addresses(owner, manager, developer, administrator)
    assert tell(bot, also=["team@bank.example", "OWNER@example.com"]) == 4
    expected = {"owner@example.com", "manager@example.com", "security@example.com", "team@bank.example"}
    assert told() == expected


def test_what_concerns_the_platform_is_told_to_its_administrators(
    bot: Bot, owner: User, administrator: User, auditor: User
) -> None:
    give_addresses(owner, administrator, auditor)
    assert tell(None) == 1
    assert told() == {"administrator@example.com"}


def test_somebody_who_left_is_not_told(bot: Bot, owner: User) -> None:
    give_addresses(owner)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    assert tell(bot) == 0


def test_the_same_thing_is_told_once_and_newcomers_are_told_too(bot: Bot, owner: User, manager: User) -> None:
    give_addresses(owner)
    assert (tell(bot), tell(bot), tell(bot, "other")) == (1, 0, 1)
    give_addresses(manager)
    assert tell(bot) == 1


def test_webhooks_of_the_bot_and_of_the_platform(bot: Bot, other_bot: Bot, operator: Actor) -> None:
    ours, everything, foreign = (
        add_endpoint(actor=operator, owner=whose, url=URL)[0] for whose in (bot, None, other_bot)
    )
    tell(bot)
    assert told() == {str(ours.pk), str(everything.pk)}
    assert str(foreign.pk) not in told()


@pytest.mark.django_db(transaction=True)
def test_it_is_posted_with_what_it_tells_of_or_not_at_all(bot: Bot, owner: User) -> None:
    give_addresses(owner)
    with pytest.raises(transaction.TransactionManagementError):
        tell(bot)
    with transaction.atomic():
        tell(bot)
        transaction.set_rollback(True)  # what it tells of did not happen
    assert not Delivery.objects.exists()


def test_the_secret_is_sealed_and_bound_to_its_row(bot: Bot, operator: Actor) -> None:
    endpoint, secret = add_endpoint(actor=operator, owner=bot, url=URL)
    assert secret.startswith("whsec_")
    assert secret.encode() not in bytes(endpoint.envelope)
    assert sealing.unseal(WebhookEndpoint.objects.get(pk=endpoint.pk)) == secret
    endpoint.url = "https://elsewhere.example/in"
    with pytest.raises(DomainError):
        sealing.unseal(endpoint)


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://", "hooks.example.com", "https://a:b@hooks.example.com/", "https://x/#y"],
)
def test_addresses_that_no_webhook_goes_to(bot: Bot, operator: Actor, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        add_endpoint(actor=operator, owner=bot, url=url)
    assert refused.value.field == "url"


def test_the_same_address_is_added_once(bot: Bot, operator: Actor) -> None:
    add_endpoint(actor=operator, owner=bot, url=URL)
    with pytest.raises(InvalidInput):
        add_endpoint(actor=operator, owner=bot, url=URL)


def test_only_owners_change_webhooks_and_it_is_on_record(bot: Bot, owner: User, manager: User, operator: Actor) -> None:
    endpoint, _ = add_endpoint(actor=Actor.of(owner), owner=bot, url=URL)
    for act in (
        lambda: add_endpoint(actor=Actor.of(manager), owner=bot, url=f"{URL}2"),
        lambda: add_endpoint(actor=Actor.of(owner), owner=None, url=URL),
        lambda: remove_endpoint(actor=Actor.of(manager), endpoint=endpoint),
        lambda: send_test(actor=Actor.of(manager), endpoint=endpoint),
    ):
        with pytest.raises(NotAllowed):
            act()
    send_test(actor=Actor.of(owner), endpoint=endpoint)
    remove_endpoint(actor=Actor.of(owner), endpoint=endpoint)
    actions = AuditEvent.objects.order_by("position").values_list("action", flat=True)
    assert list(actions) == ["webhook.added", "webhook.tried", "webhook.removed"]
    assert "hook" not in str(AuditEvent.objects.values_list("facts", flat=True))  # the address may hold a token


def test_sending_again(bot: Bot, owner: User, manager: User) -> None:
    give_addresses(owner)
    tell(bot)
    delivery = Delivery.objects.get()
    with pytest.raises(Conflict):
        send_again(actor=Actor.of(owner), delivery=delivery)
    Delivery.objects.update(state=DeliveryState.FAILED, attempt=8)
    with pytest.raises(NotAllowed):
        send_again(actor=Actor.of(manager), delivery=delivery)
    again = send_again(actor=Actor.of(owner), delivery=delivery)
    assert (again.pk, again.state, again.attempt) == (delivery.pk, DeliveryState.WAITING, 0)
    assert AuditEvent.objects.get().action == "notification.sent_again"
