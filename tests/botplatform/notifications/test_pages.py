"""The pages of who is told and what was sent: what each role sees, and what they can do there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.jobs.models import WorkerHeartbeat
from botplatform.notifications.models import CalendarFeed, Delivery, DeliveryState, WebhookEndpoint
from botplatform.notifications.services.calendars import MOST_OF_ONE
from botplatform.notifications.services.outbox import post
from botplatform.notifications.services.webhooks import add_endpoint
from certificates.services.expiry import watch_expiry
from tests.factories import make_certificate, make_version

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
URL = "https://hooks.example.com/in?token=tell-nobody"


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def expiring(bot: Bot | None, name: str, now: datetime, days: float) -> None:
    make_certificate(bot, name).versions.update(
        not_before=now - timedelta(days=398 - days), not_after=now + timedelta(days=days)
    )


def test_an_owner_adds_tries_and_removes_a_webhook(bot: Bot, owner: User, sign_in: SignIn) -> None:
    client = sign_in(owner)
    added = client.post("/bots/acme/notifications/webhooks/", {"url": URL})
    assert added.status_code == 201
    assert added.context["secret"].startswith("whsec_")
    assert "no-store" in added["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    page = text(client, "/bots/acme/notifications/")
    assert URL in page
    assert added.context["secret"] not in page
    client.post(f"/bots/acme/notifications/webhooks/{endpoint.pk}/test/")
    assert Delivery.objects.get().event == "webhook.test"
    assert "A test of this webhook" in text(client, "/reminders/log/")
    client.post(f"/bots/acme/notifications/webhooks/{endpoint.pk}/remove/")
    assert not WebhookEndpoint.objects.exists()
    assert "an endpoint that was removed" in text(client, "/reminders/log/")


def test_a_wrong_address_is_told_beside_the_field(bot: Bot, owner: User, sign_in: SignIn) -> None:
    answer = sign_in(owner).post("/bots/acme/notifications/webhooks/", {"url": "http://hooks.example.com/"})
    assert answer.status_code == 422
    assert "whole HTTPS address" in answer.content.decode()


def test_an_address_that_nothing_would_be_sent_to_is_refused(
    bot: Bot, owner: User, sign_in: SignIn, settings: Settings
) -> None:
    settings.EGRESS_ALLOW = []
    client, path = sign_in(owner), "/bots/acme/notifications/webhooks/"
    answer = client.post(path, {"url": "https://127.0.0.1/hook"})
    assert answer.status_code == 422
    assert "unless the operator adds it to EGRESS_ALLOW" in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()
    assert "Then send a test" in client.post(path, {"url": URL}).content.decode()


def test_calendar_addresses_have_an_end(bot: Bot, viewer: User, sign_in: SignIn) -> None:
    client, path = sign_in(viewer), "/bots/acme/notifications/calendar/"
    assert [client.post(path).status_code for _ in range(MOST_OF_ONE)] == [201] * MOST_OF_ONE
    answer = client.post(path, follow=True)
    assert f"You have {MOST_OF_ONE} calendar addresses" in answer.content.decode()
    assert CalendarFeed.objects.count() == MOST_OF_ONE


def test_others_see_the_host_only_and_change_nothing(
    bot: Bot, other_bot: Bot, manager: User, viewer: User, sign_in: SignIn, operator: Actor
) -> None:
    endpoint, _ = add_endpoint(actor=operator, owner=bot, url=URL)
    foreign, _ = add_endpoint(actor=operator, owner=other_bot, url=URL)
    page = text(sign_in(viewer), "/bots/acme/notifications/")
    assert "hooks.example.com" in page
    assert "tell-nobody" not in page
    client = sign_in(manager)
    assert client.post("/bots/acme/notifications/webhooks/", {"url": URL}).status_code == 403
    assert client.post(f"/bots/acme/notifications/webhooks/{endpoint.pk}/remove/").status_code == 403
    assert client.get("/bots/globex/notifications/").status_code == 404
    assert client.get("/platform/notifications/").status_code == 403
    assert WebhookEndpoint.objects.filter(pk__in=[endpoint.pk, foreign.pk]).count() == 2


def test_an_endpoint_is_found_only_under_its_owner(
    bot: Bot, other_bot: Bot, owner: User, administrator: User, sign_in: SignIn, operator: Actor
) -> None:
    foreign, _ = add_endpoint(actor=operator, owner=other_bot, url=URL)
    assert sign_in(owner).post(f"/bots/acme/notifications/webhooks/{foreign.pk}/remove/").status_code == 404
    client = sign_in(administrator)
    assert client.post(f"/platform/notifications/webhooks/{foreign.pk}/remove/").status_code == 404
    assert client.post("/platform/notifications/webhooks/", {"url": URL}).status_code == 201
    assert URL in text(client, "/platform/notifications/")


def test_the_log_holds_what_one_may_see_and_who_may_sends_again(
    bot: Bot, other_bot: Bot, owner: User, viewer: User, administrator: User, sign_in: SignIn
) -> None:
    for whose, name in ((bot, "ours"), (other_bot, "theirs"), (None, "of-all")):
        post(event="certificate.expiring", key=name, bot=whose, title=name, text="t", also=["a@b.example"])
    Delivery.objects.update(state=DeliveryState.FAILED, note="550 no such mailbox", attempt=8)
    page = text(sign_in(viewer), "/reminders/log/")
    assert "ours" in page
    assert "550 no such mailbox" in page
    assert "theirs" not in page
    assert "of-all" not in page
    assert "Send again" not in page.replace('visually-hidden">Send again', "")
    ours = Delivery.objects.get(key="ours")
    assert sign_in(viewer).post(f"/reminders/log/{ours.pk}/again/").status_code == 403
    client = sign_in(owner)
    theirs = Delivery.objects.get(key="theirs")
    assert client.post(f"/reminders/log/{theirs.pk}/again/").status_code == 404
    assert client.post(f"/reminders/log/{ours.pk}/again/").status_code == 302
    assert Delivery.objects.get(key="ours").state == "waiting"
    assert "of-all" in text(sign_in(administrator), "/reminders/log/?state=failed")
    assert "Nothing fits" in text(client, "/reminders/log/?state=sent")


def test_what_comes_next_and_what_was_told(
    bot: Bot, other_bot: Bot, viewer: User, sign_in: SignIn, now: datetime, settings: Settings
) -> None:
    settings.SECURITY_EMAIL = "security@example.com"
    expiring(bot, "soon", now, 20)
    expiring(bot, "later", now, 100)
    expiring(bot, "much-later", now, 300)
    expiring(other_bot, "foreign", now, 20)
    watch_expiry()
    plans = sign_in(viewer).get("/reminders/").context["plans"]
    assert [plan.ending.name for plan in plans] == ["acme/soon", "acme/later"]
    assert [len(plan.coming) for plan in plans] == [5, 7]
    assert [plan.told[0].outcome if plan.told else None for plan in plans] == ["1 waiting", None]
    assert "security@example.com" in text(sign_in(viewer), "/bots/acme/certificates/soon/")


def test_the_recipients_of_the_platform_are_not_everybodys_business(
    viewer: User, administrator: User, sign_in: SignIn, now: datetime
) -> None:
    administrator.email = "root@example.com"
    administrator.save(update_fields=["email"])
    expiring(None, "shared", now, 5)
    watch_expiry()
    page = text(sign_in(viewer), "/platform/certificates/shared/")
    assert "1 waiting" in page
    assert "root@example.com" not in page
    assert "root@example.com" in text(sign_in(administrator), "/platform/certificates/shared/")


def test_nobody_to_tell_is_said(bot: Bot, viewer: User, sign_in: SignIn, now: datetime) -> None:
    expiring(bot, "soon", now, 5)
    watch_expiry()
    assert "Nobody was told, for want of an address" in text(sign_in(viewer), "/bots/acme/certificates/soon/")
    assert "Nobody is told by mail" in text(sign_in(viewer), "/bots/acme/notifications/")


def test_who_looks_after_a_certificate(bot: Bot, manager: User, developer: User, sign_in: SignIn) -> None:
    make_certificate(bot, "bank")
    path = "/bots/acme/certificates/bank/responsible/"
    assert sign_in(developer).get(path).status_code == 403
    assert sign_in(manager).post(path, {"responsible": "nobody"}).status_code == 422
    assert sign_in(manager).post(path, {"responsible": "team@bank.example"}).status_code == 302
    assert "team@bank.example" in text(sign_in(manager), "/bots/acme/certificates/bank/")


def test_a_list_costs_the_same_however_long(bot: Bot, administrator: User, sign_in: SignIn, now: datetime) -> None:
    client = sign_in(administrator)
    counts = []
    for number in range(12):
        expiring(bot, f"c{number}", now, 20)
        make_version(bot.certificates.get(name=f"c{number}"), number=2, status="staged")
        if number in {1, 11}:
            watch_expiry()
            with CaptureQueriesContext(connection) as queries:
                text(client, "/reminders/")
            counts.append(len(queries))
    assert counts[0] == counts[1]


def test_what_became_of_a_reminder_is_told_as_it_is(
    bot: Bot, owner: User, viewer: User, sign_in: SignIn, now: datetime, settings: Settings
) -> None:
    settings.SECURITY_EMAIL, client = "security@example.com", sign_in(viewer)
    owner.email = "owner@example.com"
    owner.save(update_fields=["email"])
    expiring(bot, "soon", now, 20)

    def told() -> set[str]:
        pages = [text(client, "/reminders/"), text(client, "/bots/acme/certificates/soon/")]
        words = ("2 waiting", "1 waiting", "1 retrying", "1 sent", "2 sent", "1 failed", "due now", "none yet")
        return {word for word in words for page in pages if word in page}

    assert told() == {"due now", "none yet"}, "nobody has looked at it yet"
    watch_expiry()
    assert told() == {"2 waiting"}
    first, second = Delivery.objects.order_by("recipient")
    for state, attempt, expected in (
        (DeliveryState.SENDING, 1, {"2 waiting"}),
        (DeliveryState.WAITING, 1, {"1 waiting", "1 retrying"}),
        (DeliveryState.SENDING, 2, {"1 waiting", "1 retrying"}),
        (DeliveryState.FAILED, 8, {"1 waiting", "1 failed"}),
    ):
        Delivery.objects.filter(pk=first.pk).update(state=state, attempt=attempt)
        assert told() == expected
    Delivery.objects.filter(pk=second.pk).update(state=DeliveryState.SENT, sent_at=now)
    assert told() == {"1 sent", "1 failed"}


def test_an_end_that_nobody_has_looked_at_is_no_end_of_reminders(
    bot: Bot, viewer: User, sign_in: SignIn, now: datetime
) -> None:
    expiring(bot, "gone", now, -1)
    client = sign_in(viewer)
    page = text(client, "/reminders/")
    assert "due now" in page
    assert "no more" not in page
    assert "No worker is running: no reminder goes out" in page
    assert "A reminder is due now" in text(client, "/bots/acme/certificates/gone/")
    watch_expiry()
    WorkerHeartbeat.objects.beat(name="host:1", concurrency=1, now=now)
    page = text(client, "/reminders/")
    assert "no more" in page
    assert "No worker is running" not in page
