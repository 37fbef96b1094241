"""The calendar feed, read back by a client's library, and who can open it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import icalendar  # type: ignore[import-untyped]
import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot, Membership
from botplatform.notifications.icalendar import Event, calendar
from botplatform.notifications.models import CalendarFeed
from tests.factories import make_certificate

SignIn = Callable[[User], Client]
WHEN = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)
HOSTILE = 'semi;colon, comma\\ "quote"\nEND:VCALENDAR\r\nümlaut ' + "長い" * 60


def events(data: bytes) -> list[icalendar.Event]:
    return list(icalendar.Calendar.from_ical(data).walk("VEVENT"))


def test_what_was_written_is_read_back() -> None:
    event = Event("version:1@host", WHEN, WHEN - timedelta(days=398), HOSTILE, HOSTILE, "https://console.example/a/")
    data = calendar("Certificates of “Ä”", [event, event])
    (read, _) = events(data)
    assert (read["UID"], read["URL"]) == ("version:1@host", "https://console.example/a/")
    assert read["SUMMARY"] == HOSTILE.replace("\r\n", "\n")
    assert read["DTSTART"].dt == WHEN
    assert str(icalendar.Calendar.from_ical(data)["X-WR-CALNAME"]) == "Certificates of “Ä”"


def test_lines_end_and_fold_as_the_standard_has_it() -> None:
    data = calendar("x", [Event("u", WHEN, WHEN, HOSTILE)])
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in lines) <= 75
    assert [line.decode() for line in lines]  # folded between characters, never within one


@pytest.fixture
def address(bot: Bot, viewer: User, sign_in: SignIn, now: datetime) -> str:
    make_certificate(bot, "bank").versions.update(not_after=now + timedelta(days=30))
    page = sign_in(viewer).post(f"/bots/{bot.slug}/notifications/calendar/")
    assert (page.status_code, page["Cache-Control"]) == (201, "max-age=0, no-cache, no-store, must-revalidate, private")
    return str(page.context["address"]).removeprefix("http://localhost:8000")


@pytest.mark.django_db
def test_a_client_without_a_session_reads_when_certificates_expire(address: str, other_bot: Bot, now: datetime) -> None:
    make_certificate(other_bot, "foreign")
    answer = Client().get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    (event,) = events(answer.content)
    assert event["SUMMARY"] == "acme/bank expires"
    assert event["DTSTART"].dt == now + timedelta(days=30)
    assert CalendarFeed.objects.get().last_used_at is not None
    secret = address.rpartition("/")[2].removesuffix(".ics")
    assert secret not in str(CalendarFeed.objects.values())
    assert secret not in str(AuditEvent.objects.values())


@pytest.mark.django_db
def test_a_wrong_secret_another_bot_and_a_removed_feed_open_nothing(
    address: str, other_bot: Bot, viewer: User, sign_in: SignIn
) -> None:
    for wrong in (address.replace(".ics", "x.ics"), address.replace("/acme/", "/globex/"), "/bots/acme/expiry/x.ics"):
        assert Client().get(wrong).status_code == 404
    feed = CalendarFeed.objects.get()
    assert sign_in(viewer).post(f"/bots/acme/notifications/calendar/{feed.pk}/remove/").status_code == 302
    assert Client().get(address).status_code == 404


@pytest.mark.django_db
def test_it_opens_no_more_than_its_creator_may_see(address: str, viewer: User) -> None:
    Membership.objects.filter(user=viewer).delete()
    assert Client().get(address).status_code == 404


@pytest.mark.django_db
def test_only_its_creator_and_owners_remove_a_feed(address: str, developer: User, owner: User, sign_in: SignIn) -> None:
    path = f"/bots/acme/notifications/calendar/{CalendarFeed.objects.get().pk}/remove/"
    assert sign_in(developer).post(path).status_code == 403
    assert sign_in(owner).post(path).status_code == 302
