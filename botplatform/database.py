"""The database as seen from a command: one connection, and one sentence when it cannot be used."""

from __future__ import annotations

from django.db import connections
from django.db.utils import Error, ProgrammingError

from botplatform.text import printable

UNPREPARED = ("no such table", "no such column", "unable to open database file")  # how SQLite says it


def use_no_pool() -> None:
    """Call before the first query. One thread needs no pool, which would try for ten seconds and log each attempt."""
    connections.settings["default"].get("OPTIONS", {}).pop("pool", None)


def unusable(error: Error) -> str:
    """Why the database cannot be used, in one sentence, and what to do where it is our doing."""
    reason = printable(" ".join(str(error).strip().partition("\n")[0].split())).rstrip(".:")
    if isinstance(error, ProgrammingError) or any(words in reason for words in UNPREPARED):
        return f"The database is not prepared ({reason}): run `manage.py quickstart`, which may be repeated."
    return f"The database cannot be used ({reason})."
