"""The database as seen from a command: how many connections, and one sentence when it cannot be used."""

from __future__ import annotations

from django.db import connection, connections
from django.db.utils import Error, ProgrammingError

from botplatform.text import printable

OTHERS = 4  # connections: the main thread, duties, a writer of counters
SECONDS_EACH = 2
UNPREPARED = ("no such table", "no such column", "unable to open database file")  # how SQLite says it


def use_no_pool() -> None:
    """Call before the first query. One thread needs no pool, which would try for ten seconds and log each attempt."""
    connections.settings["default"].get("OPTIONS", {}).pop("pool", None)


def make_room_for(threads: int) -> None:
    """Call before so many threads begin that each use the database.

    PostgreSQL: a connection for each of them, and for those that look after them. SQLite: whoever waits for the one
    writer looks again from time to time, so among many some wait long before it is their turn.
    """
    options = connections.settings["default"].get("OPTIONS", {})
    if pool := options.get("pool"):
        pool["max_size"] = max(pool["max_size"], threads + OTHERS)
        connection.pool.resize(pool["min_size"], pool["max_size"])  # type: ignore[attr-defined]
    elif connection.vendor == "sqlite":
        options["timeout"] = max(options["timeout"], threads * SECONDS_EACH)


def unusable(error: Error) -> str:
    """Why the database cannot be used, in one sentence, and what to do where it is our doing."""
    reason = printable(" ".join(str(error).strip().partition("\n")[0].split())).rstrip(".:")
    if isinstance(error, ProgrammingError) or any(words in reason for words in UNPREPARED):
        return f"The database is not prepared ({reason}): run `manage.py quickstart`, which may be repeated."
    return f"The database cannot be used ({reason})."
