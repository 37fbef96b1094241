"""The pure schedule of reminders, hour by hour over 400 days with a leap day and changes of summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from botplatform.notifications.reminders import Ending, coming, due, is_loud, thresholds

DAY = timedelta(days=1)
LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
# Days before the end, by lifetime in days; the end itself comes last.
EXPECTED = {
    398: [60, 30, 14, 7, 3, 1, 0],
    200: [60, 30, 14, 7, 3, 1, 0],
    180: [60, 30, 14, 7, 3, 1, 0],
    100: [33.333, 16.667, 7, 3, 1, 0],
    90: [30, 15, 7, 3, 1, 0],
    47: [15.667, 7.833, 3, 1, 0],
    10: [3.333, 1.667, 0],
    1: [0.333, 0.167, 0],
}


def ending(lifetime: float, not_after: datetime = LEAP_DAY, **more: Any) -> Ending:
    return Ending("s", "it", "It", not_after - lifetime * DAY, not_after, **more)


def days(found: timedelta) -> float:
    return round(found / DAY, 3)


@pytest.mark.parametrize("lifetime", list(EXPECTED))
def test_thresholds_scale_with_the_lifetime(lifetime: int) -> None:
    assert [days(found) for found in thresholds(LEAP_DAY - lifetime * DAY, LEAP_DAY)] == EXPECTED[lifetime]


@pytest.mark.parametrize("lifetime", [398, 200, 100, 47, 10])
@pytest.mark.parametrize("not_after", [LEAP_DAY, datetime(2028, 3, 26, 2, 30, tzinfo=BERLIN)])
def test_every_threshold_is_told_once_and_in_its_hour(lifetime: int, not_after: datetime) -> None:
    item, told = ending(lifetime, not_after), dict[timedelta, datetime]()
    now = not_after.astimezone(UTC) - 399 * DAY
    while now < not_after + DAY:
        if (threshold := due(item, told, now)) is not None:
            assert threshold not in told
            told[threshold] = now
        now += timedelta(hours=1)
    assert [days(threshold) for threshold in told] == EXPECTED[lifetime]
    for threshold, when in told.items():
        assert timedelta(0) <= when - (not_after - threshold) < timedelta(hours=1)


def test_after_an_outage_only_the_most_urgent_is_told() -> None:
    item = ending(398)
    assert due(item, [], LEAP_DAY - 5 * DAY) == 7 * DAY
    assert due(item, [7 * DAY], LEAP_DAY - 5 * DAY) is None
    assert due(item, [7 * DAY], LEAP_DAY + 300 * DAY) == timedelta(0)


def test_a_clock_that_was_ahead_repeats_nothing() -> None:
    item = ending(398)
    assert due(item, [3 * DAY], LEAP_DAY - 20 * DAY) is None
    assert due(item, [3 * DAY], LEAP_DAY - DAY) == DAY


def test_quiet_while_a_successor_is_ready_until_it_is_nearly_too_late() -> None:
    item = ending(398, successor="Version 2 is staged.")
    assert [due(item, [], LEAP_DAY - left * DAY) for left in (50, 10, 2, 1, 0)] == [None, None, None, DAY, timedelta(0)]
    assert due(ending(398), [], LEAP_DAY - 10 * DAY) == 14 * DAY  # it went away: what was left out comes now


def test_loud_only_when_it_is_late_and_in_use() -> None:
    busy, idle = ending(398, in_use="It is in use."), ending(398)
    assert [is_loud(busy, left * DAY) for left in (30, 14, 7, 1, 0)] == [False, False, True, True, True]
    assert not is_loud(idle, DAY)
    assert [is_loud(ending(10, in_use="x"), left * DAY) for left in (3.3, 1.6)] == [False, True]


def test_what_others_renew_is_not_worth_an_early_reminder() -> None:
    item = ending(90, by_others=True)
    assert [due(item, [], LEAP_DAY - left * DAY) for left in (30, 15, 7)] == [None, None, 7 * DAY]


def test_what_comes_next() -> None:
    item, now = ending(398), LEAP_DAY - 20 * DAY
    assert coming(item, [30 * DAY], now) == [LEAP_DAY - left * DAY for left in (14, 7, 3, 1, 0)]
    assert coming(ending(398, successor="x"), [], now) == [LEAP_DAY - DAY, LEAP_DAY]
    assert coming(item, [timedelta(0)], LEAP_DAY + DAY) == []
