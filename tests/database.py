"""Sets the database's triggers aside: for flushes between tests, and for tests that play the intruder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import TransactionTestCase

from botplatform.audit.canonical import GENESIS_HASH
from botplatform.audit.models import AuditHead

_POSTGRESQL_TABLES = """
SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace
"""


@contextmanager
def triggers_set_aside() -> Iterator[None]:
    """No trigger of the product fires inside; afterwards all are back."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
            off = [f'DROP TRIGGER "{name}"' for name, _ in triggers]
            # Those of retired keys are back already after a flush, which Django takes for a migration.
            on = [sql.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS", 1) for _, sql in triggers]
        else:
            cursor.execute(_POSTGRESQL_TABLES)
            tables = [table for (table,) in cursor.fetchall()]
            # ALTER TABLE wants no foreign key check waiting for the end of the transaction.
            checks = ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"]
            checks = checks if connection.in_atomic_block else []
            off = checks + [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
            on = checks + [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables]
        _run(off)
        try:
            yield
        finally:
            _run(on)


def _run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def install_flush_support() -> None:
    """Let tests with real transactions empty the append-only tables afterwards, and get the trail's head back."""
    case: Any = TransactionTestCase
    original = case._fixture_teardown

    def teardown(self: Any) -> None:
        with triggers_set_aside():
            original(self)
            AuditHead.objects.get_or_create(pk=1, defaults={"position": 0, "hash": GENESIS_HASH})

    case._fixture_teardown = teardown
