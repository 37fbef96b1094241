"""Old deliveries and reminders are removed; nobody is told twice for it, and nothing that waits is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.notifications.models import SETTLED, Delivery, DeliveryState, Reminder
from botplatform.notifications.services.outbox import post
from botplatform.notifications.services.pruning import prune_notifications
from certificates.services.expiry import watch_expiry
from tests.factories import make_certificate

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def kept_for_a_month(settings: Settings) -> None:
    settings.KEEP_DAYS, settings.SECURITY_EMAIL = 30, "security@example.com"


def deliver(bot: Bot, state: DeliveryState, days_ago: float) -> str:
    """A delivery in this state, written so many days ago; its key."""
    key, at = f"{state} {days_ago}", NOW - timedelta(days=days_ago)
    post(event="e", key=key, bot=bot, title="t", text="t")
    Delivery.objects.filter(key=key).update(state=state, created_at=at, sent_at=at)
    return key


def test_old_deliveries_that_ended_are_removed(bot: Bot) -> None:
    for state in SETTLED:
        deliver(bot, state, 31)
    kept = {deliver(bot, DeliveryState.SENT, 29)}
    kept |= {deliver(bot, state, 500) for state in (DeliveryState.WAITING, DeliveryState.SENDING)}
    assert prune_notifications() == 3
    assert set(Delivery.objects.values_list("key", flat=True)) == kept
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name) == ("history.removed", "platform")
    assert (event.object_name, event.facts["removed"]) == ("deliveries", 3)


@pytest.mark.parametrize(("ended_days_ago", "kept"), [(399, True), (402, False)])
def test_nobody_is_reminded_again_because_reminders_were_removed(
    bot: Bot, viewer: User, client: Client, ended_days_ago: int, kept: bool
) -> None:
    end = NOW - timedelta(days=ended_days_ago)
    make_certificate(bot, "gone").versions.update(not_before=end - timedelta(days=398), not_after=NOW)
    assert watch_expiry() == 1
    old = NOW - timedelta(days=ended_days_ago)
    Delivery.objects.update(state=DeliveryState.SENT, created_at=old, sent_at=old)
    Reminder.objects.update(created_at=old, ends_at=end)
    bot.certificates.get().versions.update(not_after=end)
    prune_notifications()
    assert (Reminder.objects.count(), Delivery.objects.count()) == (int(kept), 0)
    assert watch_expiry() == 0
    client.force_login(viewer)
    page = client.get("/bots/acme/certificates/gone/").content.decode()
    assert ("No longer in the log:" in page) == kept
    assert "for want of an address" not in page
