"""When somebody is reminded that something ends. Pure: the caller brings the clock and what was told before.

A reminder belongs to a threshold: how long before the end it is due. After an outage only the most urgent one that was
missed is sent. Once it was said how urgent it is, nothing less urgent is said any more, whatever the clock does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botplatform.bots.models import Bot

DAY = timedelta(days=1)
USUAL = tuple(days * DAY for days in (60, 30, 14, 7, 3, 1))
HORIZON = USUAL[0]  # nothing is due earlier before an end
ENDED = timedelta(0)
LONG_AGO = 400 * DAY  # what ended before needs no reminder any more
LATE = 7 * DAY
PATIENCE = 14 * DAY


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends. `subject` names it for ever; times are aware UTC.

    `what` begins a sentence (“The client certificate acme/bank”), `advice` are sentences that follow. `successor` says
    what is ready to take its place; empty: nothing. `in_use` says how it is used today; empty: it seems unused.
    `by_others`: somebody else renews it, most likely in time, so the early reminders are left out.
    """

    subject: str
    name: str
    what: str
    not_before: datetime
    not_after: datetime
    bot: Bot | None = None
    link: str = ""
    advice: str = ""
    successor: str = ""
    in_use: str = ""
    by_others: bool = False
    also: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def thresholds(not_before: datetime, not_after: datetime) -> tuple[timedelta, ...]:
    """How long before the end reminders are due, longest first; the last is the end itself.

    60, 30, 14, 7, 3, 1 days. What lives so short that 60 days are more than a third of it: a third and a sixth of
    its lifetime, then those of 7, 3, 1 days that come clearly (half of the time) after the sixth.
    """
    lifetime = not_after - not_before
    if lifetime >= 3 * USUAL[0]:
        return (*USUAL, ENDED)
    third, sixth = (timedelta(seconds=int((lifetime / part).total_seconds())) for part in (3, 6))
    return (third, sixth, *(usual for usual in USUAL if usual <= min(LATE, sixth / 2)), ENDED)


def due(ending: Ending, told: Collection[timedelta], now: datetime) -> timedelta | None:
    """The threshold to remind of at `now`, given those that were `told`; None: nothing to say.

    With a successor ready it is quiet until the last threshold before the end: then somebody forgot to put it in place.
    """
    reached = [threshold for threshold in _of(ending) if ending.not_after - now <= threshold]
    if not reached or any(known <= reached[-1] for known in told):
        return None
    return reached[-1] if reached[-1] in _spoken(ending) else None


def coming(ending: Ending, told: Collection[timedelta], now: datetime) -> list[datetime]:
    """When reminders of it will be sent after `now`, as things stand."""
    most = min(told, default=HORIZON + DAY)
    moments = [ending.not_after - threshold for threshold in _spoken(ending) if threshold < most]
    return [moment for moment in moments if moment > now]


def is_loud(ending: Ending, threshold: timedelta) -> bool:
    """Whether this reminder is urgent: little time is left, and it is in use."""
    lifetime = ending.not_after - ending.not_before
    return bool(ending.in_use) and threshold <= min(LATE, lifetime / 6)


def _of(ending: Ending) -> tuple[timedelta, ...]:
    found = thresholds(ending.not_before, ending.not_after)
    if not ending.by_others:
        return found
    patience = min(PATIENCE, (ending.not_after - ending.not_before) / 6)
    return tuple(threshold for threshold in found if threshold <= patience)


def _spoken(ending: Ending) -> tuple[timedelta, ...]:
    return _of(ending)[-2:] if ending.successor else _of(ending)
