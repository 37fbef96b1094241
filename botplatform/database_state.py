"""Whether anything was committed to the database: a mark that costs next to nothing to read and touches no table.

Equal marks, nothing changed in between, so what was read and checked before still holds. Different marks say nothing
but that somebody, somewhere, wrote something.

* SQLite: `PRAGMA data_version` moves when another connection commits, `total_changes` when this one writes. Both are
  the connection's own, so it is part of the mark. Reading them takes 3 µs.
* PostgreSQL: the snapshot that a statement would read with. A commit takes its transaction out of the list of those in
  progress or raises the upper bound, so it always shows, at the price of one round trip. `NOTIFY` would save that, but
  it is delivered some time after the commit: too late for a promise about the very next call.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


def committed_state() -> Hashable:
    """The mark of this moment; None inside a transaction, which may see what is never committed."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    if connection.in_atomic_block or not connection.autocommit:
        return None
    if connection.vendor == "sqlite":
        raw = connection.connection
        return None if raw.in_transaction else (raw, *raw.execute("PRAGMA data_version").fetchone(), raw.total_changes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return tuple(cursor.fetchone())


class Remembered(threading.local):
    """What a thread has read, for as long as nothing is committed; inside a transaction nothing is remembered.

    Entries are found, never misses, which callers could make up without end. Who hands out a row hands out a copy.
    """

    def __init__(self) -> None:
        self._state: Hashable = None
        self._entries: dict[Hashable, Any] = {}

    def entries(self) -> dict[Hashable, Any]:
        """What is true now. Take it before reading anew: then a commit in between drops what is added, too."""
        state = committed_state()
        if state is None:
            return {}
        if state != self._state:
            self._state, self._entries = state, {}
        return self._entries
