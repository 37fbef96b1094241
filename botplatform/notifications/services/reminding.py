"""Reminding of what ends: decided by the pure schedule, remembered in a row, told through the outbox, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from botplatform.accounts.models import User
from botplatform.console import moments
from botplatform.crashes import Crashed, crashes_told
from botplatform.notifications.models import Delivery, Reminder
from botplatform.notifications.reminders import Ending, coming, due, is_loud
from botplatform.notifications.services.outbox import post

EVENT, EVENT_ENDED = "certificate.expiring", "certificate.expired"
LONG_NAME = 150  # characters: the title of a delivery has room for as much and the rest of the sentence


def remind(endings: Sequence[Ending], *, now: datetime) -> int:
    """Post the reminders that are due, each once whatever happens. Returns how many. `endings` fit into memory.

    One that cannot be posted is logged, stays due and stops no other.
    """
    told, posted = _told(endings), 0
    for ending in endings:
        threshold = due(ending, told.get(ending.subject, ()), now)
        if threshold is not None:
            with suppress(Crashed), crashes_told("The reminder", ending=ending.subject):
                posted += _remind(ending, threshold, now)
    return posted


def _told(endings: Iterable[Ending]) -> dict[str, list[timedelta]]:
    found: dict[str, list[timedelta]] = {}
    for row in Reminder.objects.filter(subject__in={ending.subject for ending in endings}):
        found.setdefault(row.subject, []).append(row.threshold)
    return found


def _remind(ending: Ending, threshold: timedelta, now: datetime) -> bool:
    """Remember and tell in one transaction; False when somebody else does so at this moment."""
    reminder = Reminder(
        subject=ending.subject,
        threshold_s=int(threshold.total_seconds()),
        bot=ending.bot,
        title=_title(ending, now, loud=is_loud(ending, threshold)),
        ends_at=ending.not_after,
        created_at=now,
    )
    try:
        with transaction.atomic():
            reminder.save(force_insert=True)
            _post(ending, reminder, now, loud=is_loud(ending, threshold))
    except IntegrityError:
        if not Reminder.objects.filter(subject=reminder.subject, threshold_s=reminder.threshold_s).exists():
            raise
        return False
    return True


def _post(ending: Ending, reminder: Reminder, now: datetime, *, loud: bool) -> None:
    post(
        event=EVENT_ENDED if ending.not_after <= now else EVENT,
        key=reminder.key,
        bot=ending.bot,
        title=reminder.title,
        text=_text(ending, now),
        link=ending.link,
        data={
            **ending.data,
            "name": ending.name,
            "not_after": ending.not_after.isoformat(),
            "in_use": bool(ending.in_use),
        },
        also=ending.also,
        urgent=loud,
    )


def _title(ending: Ending, now: datetime, *, loud: bool) -> str:
    day, name = moments.day(ending.not_after), _shortened(ending.name)
    if ending.not_after <= now:
        title = f"{name} expired on {day}"
    else:
        title = f"{name} expires on {day}, in {left(ending.not_after - now)}"
    return f"Urgent: {title}" if loud else title


def _shortened(name: str) -> str:
    """Names come from certificates too, and those are as long as they like. Where it belongs stands at the end."""
    half = LONG_NAME // 2
    return name if len(name) <= LONG_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _text(ending: Ending, now: datetime) -> str:
    when = f"{moments.minute(ending.not_after)} UTC"
    ends = f"expired on {when}" if ending.not_after <= now else f"expires on {when}, in {left(ending.not_after - now)}"
    return "\n\n".join(
        part for part in (f"{ending.what} {ends}.", ending.in_use, ending.successor, ending.advice) if part
    )


def left(time: timedelta) -> str:
    """“14 days”, “30 hours”: rounded, as one says it."""
    hours = max(1, round(time / timedelta(hours=1)))
    number, unit = (round(hours / 24), "day") if hours >= 48 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was told of an ending, newest first with its deliveries, and when reminders come next.

    `due`: one is due already; the duty sends it when it looks next.
    """

    ending: Ending
    told: list[Reminder]
    due: bool
    coming: list[datetime]


def plans(endings: Sequence[Ending], *, viewer: User, now: datetime) -> list[Plan]:
    """The schedule of each, soonest end first. Two queries.

    Each reminder has `standings`, one for each recipient, and `deliveries`, those of them that `viewer` may see.
    """
    ordered = sorted(endings, key=lambda ending: ending.not_after)
    reminders: dict[str, list[Reminder]] = {}
    for row in Reminder.objects.filter(subject__in={ending.subject for ending in ordered}).order_by("-created_at"):
        reminders.setdefault(row.subject, []).append(row)
    rows = {row.key: row for found in reminders.values() for row in found}
    for row in rows.values():
        row.standings, row.deliveries = [], []
    for delivery in Delivery.objects.filter(key__in=rows).select_related("endpoint").order_by("channel", "recipient"):
        rows[delivery.key].standings.append(delivery.standing)
        if delivery.bot_id or viewer.is_staff:  # as `visible_to` has it; the endings are in sight
            rows[delivery.key].deliveries.append(delivery)
    return [_plan(ending, reminders.get(ending.subject, []), now) for ending in ordered]


def _plan(ending: Ending, told: list[Reminder], now: datetime) -> Plan:
    known = [row.threshold for row in told]
    return Plan(ending, told, due(ending, known, now) is not None, coming(ending, known, now))
