"""Text of foreign origin, made safe to print. Pure."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with everything but line breaks that a terminal would obey, or cannot encode, as a visible escape."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def holds_nul_or_surrogate(text: str) -> bool:
    """Whether a database, or UTF-8 itself, would choke on `text`."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)
