"""How commands name a version of a certificate."""

from __future__ import annotations

from argparse import ArgumentTypeError

from servicenodes.services.presenting import STAGED


def version_selector(text: str) -> int | str:
    """The `type` of an option that takes a version: its number, or `staged`."""
    if text == STAGED or (text.isascii() and text.isdecimal()):
        return text if text == STAGED else int(text)
    raise ArgumentTypeError("a number or “staged”")
