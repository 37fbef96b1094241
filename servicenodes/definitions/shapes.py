"""Picks values out of untrusted JSON: the shape that is expected, or nothing."""

from __future__ import annotations

import unicodedata
from typing import Any
from urllib.parse import unquote

from botplatform.errors import InvalidInput
from botplatform.text import holds_nul_or_surrogate

# What JavaScript's encodeURI and encodeURIComponent never leave as it is: text that holds one was not encoded.
LOOKED_AT = 1000  # characters of a name
_NEVER_LEFT = frozenset(' "<>\\^`{|}\n\r\t')


def refuse(text: str) -> InvalidInput:
    """The whole file is refused, with one sentence."""
    return InvalidInput(text, field="files", code="definition_unreadable")


def an_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, or a number as text; else empty. Raises `InvalidInput` for what cannot be stored."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    if holds_nul_or_surrogate(value):
        raise refuse("The bot definition holds a character that cannot be stored (NUL or half a pair).")
    return value


def label(value: Any) -> str:
    """A name in one line of at most 200 characters that can be shown. Of a longer text the rest is not looked at."""
    start = value[:LOOKED_AT] if isinstance(value, str) else value
    shown = "".join(char if unicodedata.category(char)[0] not in "CZ" else " " for char in text(start))
    return " ".join(shown.split())[:200].strip()


def decoded(value: Any) -> str:
    """Text that the builder may or may not have percent-encoded."""
    raw = text(value)
    return raw if _NEVER_LEFT & set(raw) else text(unquote(raw))
