"""When a renewal is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.pki.renewing import LONGEST_PAUSE, RenewalRule, SuggestedWindow, pause_after, renew_at, renewal_due

BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = timedelta(days=1)
LATE = "f" * 64


def at(days: float, rule: RenewalRule, window: tuple[float, float] | None = None, seed: str = "0" * 64) -> float:
    """The day on which a certificate of so many `days` is renewed."""
    suggested = SuggestedWindow(BEGIN + window[0] * DAYS, BEGIN + window[1] * DAYS) if window else None
    moment = renew_at(not_before=BEGIN, not_after=BEGIN + days * DAYS, rule=rule, window=suggested, seed=seed)
    return round((moment - BEGIN) / DAYS, 3)


@pytest.mark.parametrize(
    ("days", "before", "expected"),
    [
        (90, None, 60),
        (47, None, 31.333),
        (1, None, 0.667),
        (90, 30, 60),
        (90, 1, 89),
        (47, 30, 17),
        (30, 30, 10),  # by the letter it would be due for ever
        (6, 90, 2),
        (398, 397, 132.667),
    ],
)
def test_a_third_or_the_chosen_days(days: float, before: int | None, expected: float) -> None:
    assert at(days, RenewalRule(before)) == expected


def test_the_suggested_window_takes_the_place_of_the_third() -> None:
    third = RenewalRule()
    assert at(90, third, (50, 52)) == 50
    assert at(90, third, (50, 52), LATE) == 52
    assert at(90, third, (70, 72)) == 70
    assert at(90, third, (-5, -1)) == -5, "it was revoked, say: due at once"


def test_days_that_people_chose_hold_if_they_come_first() -> None:
    assert at(90, RenewalRule(30), (70, 72)) == 60
    assert at(90, RenewalRule(10), (70, 72)) == 70


@pytest.mark.parametrize("window", [(95, 99), (88, 92), (60, 50)], ids=["after the end", "too late", "backwards"])
def test_a_window_that_would_let_it_expire_is_not_followed(window: tuple[float, float]) -> None:
    assert at(90, RenewalRule(), window) == 60


def test_a_window_that_ends_too_late_is_cut() -> None:
    assert at(90, RenewalRule(), (80, 200), LATE) == 81


def test_due_from_that_moment_on() -> None:
    facts = {"not_before": BEGIN, "not_after": BEGIN + 90 * DAYS, "rule": RenewalRule()}
    assert not renewal_due(**facts, now=BEGIN + 60 * DAYS - timedelta(seconds=1))  # type: ignore[arg-type]
    assert renewal_due(**facts, now=BEGIN + 60 * DAYS)  # type: ignore[arg-type]


@given(
    st.floats(0.01, 4000),
    st.none() | st.integers(1, 3650),
    st.none() | st.tuples(st.floats(-10, 5000), st.floats(-10, 5000)),
    st.binary(min_size=32, max_size=32),
)
def test_always_before_it_expires(
    days: float, before: int | None, window: tuple[float, float] | None, seed: bytes
) -> None:
    assert at(days, RenewalRule(before), window, seed.hex()) < days


def test_pauses_grow_and_the_ca_may_want_longer() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, 12)]
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert pauses == sorted(pauses)
    assert pause_after(1000) == pauses[-1] == LONGEST_PAUSE
    assert pause_after(1, 86_400) == timedelta(days=1)
    assert pause_after(1, 1) == timedelta(minutes=5)
