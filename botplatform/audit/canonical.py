"""The form in which an event is hashed, and what may be a fact. Pure.

Format 1 of an event's hash: SHA-256 over the UTF-8 bytes of a JSON object with sorted keys and no spaces, ASCII
only. Its members are the event's columns but for `hash`, and `format`. UUIDs are lower-case with hyphens, the time
is UTC with microseconds (`2026-11-22T09:30:00.000000Z`), absent values are null. `previous_hash` is a member, so
each hash covers all the events before it; the first event's is 64 zeros.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

FORMAT = "botplatform-audit-1"
GENESIS_HASH = "0" * 64
HASHED_FIELDS = (
    "id",
    "position",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "bot_id",
    "object_type",
    "object_id",
    "object_name",
    "facts",
    "previous_hash",
)
TEXT_LIMIT = 2_000  # characters of one text among the facts
SECRET_NAMES = frozenset({"passphrase", "password", "private_key", "secret", "token"})


def event_hash(columns: Mapping[str, object]) -> str:
    """The hash of an event given as its columns; raises TypeError or ValueError if one has no canonical form."""
    document: dict[str, object] = {name: _column(columns[name]) for name in HASHED_FIELDS}
    document["format"] = FORMAT
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _column(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return utc_text(value)
    return value


def utc_text(at: datetime) -> str:
    """An aware time as `2026-11-22T09:30:00.000000Z`."""
    if at.tzinfo is None:
        raise ValueError("the time has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Text that both databases store: without NUL and lone surrogates, cut to `limit` characters."""
    kept = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def clean_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts as JSON values that read back equal from both databases.

    Raises TypeError for anything that is not plain data: bytes, secrets, model instances.
    """
    cleaned: dict[str, object] = {}
    for name, value in facts.items():
        if not isinstance(name, str):
            raise TypeError("a fact's name must be text")
        if name.lower() in SECRET_NAMES:
            raise TypeError(f"the fact {name} would put a secret on record")
        cleaned[clean_text(name)] = _fact(value)
    return cleaned


def _fact(value: object) -> object:
    match value:
        case None | bool():
            fact: object = value
        case str():
            fact = _text_fact(value)
        case int() | float():
            fact = _number_fact(value)
        case UUID() | datetime():
            fact = _column(value)
        case Mapping():
            fact = clean_facts(value)
        case list() | tuple() | set() | frozenset():
            fact = _list_fact(value)
        case _:
            raise TypeError(f"a fact cannot be of type {type(value).__name__}")
    return fact


def _text_fact(text: str) -> str:
    if "PRIVATE KEY-----" in text:
        raise TypeError("a fact holds a private key")
    return clean_text(str(text))


def _number_fact(number: float) -> float:
    # PostgreSQL stores numbers as decimals: huge floats would come back as integers, and -0.0 as 0.0.
    if isinstance(number, float) and (not math.isfinite(number) or abs(number) >= 1e15):
        raise TypeError("a fact cannot be a float that large")
    return int(number) if isinstance(number, int) else number + 0.0


def _list_fact(values: Iterable[object]) -> list[object]:
    ordered = sorted(values, key=str) if isinstance(values, set | frozenset) else values
    return [_fact(value) for value in ordered]
