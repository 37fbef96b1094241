"""How many webhooks and calendar feeds there may be, also when several are added at the same moment."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput
from botplatform.notifications.models import CalendarFeed, WebhookEndpoint
from botplatform.notifications.services import calendars
from botplatform.notifications.services.calendars import MOST_OF_ONE, add_feed
from botplatform.notifications.services.webhooks import MOST, add_endpoint
from tests.certificates.services.test_import_faults import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
MORE = 4  # at the same moment


def url(number: int) -> str:
    return f"https://hooks.example.com/{number}"


@pytest.mark.parametrize("of_bot", [True, False])
def test_webhooks_at_the_same_moment(bot: Bot, operator: Actor, of_bot: bool) -> None:
    owner = bot if of_bot else None
    for number in range(MOST - 1):
        add_endpoint(actor=operator, owner=owner, url=url(number))
    acts = [lambda n=number: add_endpoint(actor=operator, owner=owner, url=url(MOST + n)) for number in range(MORE)]
    errors = in_threads(*acts)
    assert sorted(type(error).__name__ for error in errors) == ["Conflict"] * (MORE - 1) + ["NoneType"]
    assert WebhookEndpoint.objects.of_owner(owner).count() == MOST
    assert AuditEvent.objects.filter(action="webhook.added").count() == MOST


def test_the_same_webhook_of_the_platform_at_the_same_moment(operator: Actor) -> None:
    errors = in_threads(*[lambda: add_endpoint(actor=operator, owner=None, url=url(1)) for _ in range(MORE)])
    assert sum(isinstance(error, InvalidInput) for error in errors) == MORE - 1
    assert WebhookEndpoint.objects.count() == 1


def test_calendar_feeds_at_the_same_moment(bot: Bot, viewer: User, developer: User) -> None:
    actor = Actor.of(viewer)
    errors = in_threads(*[lambda: add_feed(actor=actor, bot=bot) for _ in range(MOST_OF_ONE + MORE)])
    assert sum(isinstance(error, Conflict) for error in errors) == MORE
    assert CalendarFeed.objects.count() == MOST_OF_ONE
    add_feed(actor=Actor.of(developer), bot=bot)


def test_calendar_feeds_of_all_people_of_a_bot(
    bot: Bot, viewer: User, developer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendars, "MOST", 2)
    for _ in range(2):
        add_feed(actor=Actor.of(viewer), bot=bot)
    with pytest.raises(Conflict, match="This bot has 2 calendar addresses"):
        add_feed(actor=Actor.of(developer), bot=bot)
