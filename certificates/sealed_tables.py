"""Every table with envelopes, found by its fields, and the triggers that keep retired keys out of each.

A table is one of them when its model has `envelope` and `key_id` (`key_storage.SealedRow`); nothing else has to be
said anywhere. The triggers are made after every `migrate`, so a new table has them, and so has one that SQLite rebuilt.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model

from botplatform.sealing import REFUSAL
from certificates.models import RetiredKey

FIELDS = {"envelope", "key_id"}
LOCK_TIMEOUT = "10s"
_FUNCTION = "certificates_refuse_retired_key"
_RETIRED = f"EXISTS (SELECT 1 FROM {RetiredKey._meta.db_table} r WHERE r.key_id = NEW.key_id)"  # noqa: S608
_SQLITE = """
    CREATE TRIGGER IF NOT EXISTS {table}_{moment}_key_retired BEFORE {event} ON {table}
    WHEN {condition} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"""
_POSTGRESQL = f"""
    CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF {_RETIRED} THEN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'check_violation'; END IF;
    RETURN NEW; END $$"""


def sealed_models() -> tuple[type[Model], ...]:
    """The models of all these tables."""
    return tuple(model for model in apps.get_models() if {field.name for field in model._meta.fields} >= FIELDS)


def install_guards(using: str, **_signal: Any) -> None:
    """Make the triggers that are missing. Called after every `migrate`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if RetiredKey._meta.db_table not in tables:
            return  # before its migration
        statements = _sqlite if connection.vendor == "sqlite" else _postgresql
        for model in sealed_models():
            if model._meta.db_table in tables:
                for statement in statements(model._meta.db_table):
                    cursor.execute(statement)


def _sqlite(table: str) -> list[str]:
    changed = f"NEW.key_id <> OLD.key_id AND {_RETIRED}"
    events = (("insert", "INSERT", _RETIRED), ("update", "UPDATE OF key_id", changed))
    return [
        _SQLITE.format(table=table, moment=moment, event=event, condition=condition, refusal=REFUSAL)
        for moment, event, condition in events
    ]


def _postgresql(table: str) -> list[str]:
    calls = f"FOR EACH ROW {{}}EXECUTE FUNCTION {_FUNCTION}()"
    changed = calls.format("WHEN (NEW.key_id <> OLD.key_id) ")
    return [
        _POSTGRESQL,
        f"CREATE OR REPLACE TRIGGER key_retired_insert BEFORE INSERT ON {table} {calls.format('')}",
        f"CREATE OR REPLACE TRIGGER key_retired_update BEFORE UPDATE OF key_id ON {table} {changed}",
    ]


def wait_for_writers(using: str) -> None:
    """Let everybody finish who wrote to one of the tables before; who writes afterwards meets the triggers.

    On PostgreSQL a row may wait uncommitted in somebody's transaction, unseen by others. SQLite has one writer.
    Each table is locked by itself and let go at once, so that nobody waits for us while we wait for them.
    """
    if connections[using].vendor != "postgresql":
        return
    for model in sealed_models():
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(f"LOCK TABLE {model._meta.db_table} IN SHARE MODE")
