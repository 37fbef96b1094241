"""Writes an iCalendar object (RFC 5545). Pure: values in, bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

OCTETS = 75  # section 3.1: of a line, without its break
PRODUCT = "-//Botplatform console//Expiry//EN"


@dataclass(frozen=True, slots=True)
class Event:
    """A moment in the calendar. `uid` stays the same for ever; times are aware; `changed_at`: when it was last set."""

    uid: str
    at: datetime
    changed_at: datetime
    summary: str
    description: str = ""
    url: str = ""


def calendar(name: str, events: Iterable[Event]) -> bytes:
    """A whole calendar. Clients look again twice a day."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        f"NAME:{_text(name)}",  # RFC 7986
        f"X-WR-CALNAME:{_text(name)}",  # what most clients read
        "REFRESH-INTERVAL;VALUE=DURATION:PT12H",
    ]
    for event in events:
        lines += _lines(event)
    lines.append("END:VCALENDAR")
    return b"".join(part + b"\r\n" for line in lines for part in _folded(line))


def _lines(event: Event) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_text(event.uid)}"
    yield f"DTSTAMP:{_time(event.changed_at)}"
    yield f"DTSTART:{_time(event.at)}"
    yield f"SUMMARY:{_text(event.summary)}"
    if event.description:
        yield f"DESCRIPTION:{_text(event.description)}"
    if event.url:
        yield f"URL:{event.url}"
    yield "TRANSP:TRANSPARENT"  # nobody is busy then
    yield "END:VEVENT"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """Section 3.3.11: what would end the value or the line is escaped; other controls are left out."""
    for char, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n"), ("\n", "\\n")):
        value = value.replace(char, escaped)
    return "".join(char for char in value if char >= " " and char != "\x7f")


def _folded(line: str) -> Iterator[bytes]:
    """Section 3.1: at most 75 octets, each further line begins with a space; never within a character."""
    room, part = OCTETS, b""
    for char in line:
        octets = char.encode()
        if len(part) + len(octets) > room:
            yield part
            part = b" "
        part += octets
    yield part
