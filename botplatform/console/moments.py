"""Times in words. Pure: the caller brings the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNITS = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))
# Renewal with a company's CA takes weeks: early enough to start, late enough to matter.
EXPIRES_SOON = timedelta(days=30)


def parse(value: datetime | str | None) -> datetime | None:
    """An aware time from a time or an ISO 8601 text of a report; None when there is none or it is not one."""
    if not value or isinstance(value, datetime):
        return value or None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; as it is where the calendar ends."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment


def day(moment: datetime) -> str:
    """“3 Dec 2026”, in UTC."""
    there = in_utc(moment)
    return f"{there.day} {there:%b} {there.year}"


def minute(moment: datetime) -> str:
    """“3 Dec 2026, 09:00”, in UTC."""
    return f"{day(moment)}, {in_utc(moment):%H:%M}"


def distance(moment: datetime, now: datetime) -> str:
    """“in 12 days”, “3 minutes ago”, “just now”."""
    seconds = (moment - now).total_seconds()
    for unit, size in UNITS:
        # Up to 60 days are counted in days: “in 45 days” is what one plans with.
        if unit == "month" and abs(seconds) < 60 * 86400:
            continue
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            text = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {text}" if seconds > 0 else f"{text} ago"
    return "in a moment" if seconds > 0 else "just now"


def expiry_tone(not_after: datetime, now: datetime) -> str:
    """`error` when past, `warning` within 30 days, else `ok`."""
    if not_after <= now:
        return "error"
    return "warning" if not_after - now <= EXPIRES_SOON else "ok"
