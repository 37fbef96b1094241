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

from collections.abc import Hashable

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
