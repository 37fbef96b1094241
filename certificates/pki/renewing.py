"""When a certificate is to be renewed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class RenewalRule:
    """What people chose: so many days before it expires; None: when a third of its lifetime is left."""

    days_before: int | None = None


@dataclass(frozen=True, slots=True)
class SuggestedWindow:
    """When the CA wants it renewed (RFC 9773). Aware UTC."""

    start: datetime
    end: datetime


def renew_at(
    *,
    not_before: datetime,
    not_after: datetime,
    rule: RenewalRule,
    window: SuggestedWindow | None = None,
    seed: str = "",
) -> datetime:
    """The moment from which a renewal is due.

    A certificate is never renewed in the first third of its lifetime by a rule of days, which would otherwise renew a
    short-lived one again and again. The CA's window takes the place of the usual third; days that people chose hold
    if they come first. Within the window the moment follows from `seed` (hexadecimal), so it differs between
    certificates and stays the same between two looks (RFC 9773, 4.2). A
    window that leaves less than a tenth of the lifetime is not followed.
    """
    lifetime = not_after - not_before
    suggested = _within(window, not_after - lifetime / 10, seed)
    if rule.days_before is None:
        return suggested or not_after - lifetime / 3
    chosen = max(not_after - timedelta(days=rule.days_before), not_before + lifetime / 3)
    return min(chosen, suggested) if suggested else chosen


def renewal_due(
    *,
    not_before: datetime,
    not_after: datetime,
    rule: RenewalRule,
    now: datetime,
    window: SuggestedWindow | None = None,
    seed: str = "",
) -> bool:
    """Whether it is to be renewed at `now`."""
    return now >= renew_at(not_before=not_before, not_after=not_after, rule=rule, window=window, seed=seed)


def pause_after(attempt: int, wanted_s: float | None = None) -> timedelta:
    """How long to wait after so many failures in a row; the CA may want longer."""
    pause = min(FIRST_PAUSE * float(2 ** min(attempt - 1, 20)), LONGEST_PAUSE)
    return max(pause, timedelta(seconds=wanted_s or 0))


def _within(window: SuggestedWindow | None, latest: datetime, seed: str) -> datetime | None:
    """A moment of the window, `latest` at the latest. None for a window that begins later, or ends before it begins."""
    if window is None or window.end < window.start or window.start > latest:
        return None
    share = int(seed[:8] or "0", 16) / 0xFFFFFFFF
    return window.start + (min(window.end, latest) - window.start) * share
