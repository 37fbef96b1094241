"""Sealing rows again with the active key of the keyring, in batches, each verified before it is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Count, Model, QuerySet

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from certificates import key_storage
from certificates.errors import EnvelopeBroken, KeyringError
from certificates.key_storage import Resealed
from certificates.sealed_tables import sealed_models

BATCH = 100  # rows of one transaction, for which SQLite's other writers wait
MOST_PASSES = 20  # each but the last finds rows that others changed at the same moment


@dataclass(frozen=True, slots=True)
class LeftRow:
    """A row that could not be sealed again, and why."""

    table: str
    object_id: str
    name: str
    key_id: str
    reason: str


@dataclass(slots=True)
class Progress:
    """What one run has done so far; `tell(done, total)` is called after each batch."""

    actor: Actor
    tell: Callable[[int, int], None]
    total: int
    resealed: Counter[str] = field(default_factory=Counter)
    left: list[LeftRow] = field(default_factory=list)


def rows_on_each_key() -> dict[str, dict[str, int]]:
    """How many rows of each table are sealed with which key. One query for each table."""
    found = {}
    for model in sealed_models():
        counted = model._default_manager.order_by().values_list("key_id").annotate(rows=Count("pk"))
        found[model._meta.label] = dict(counted.order_by("key_id"))
    return found


def rows_off(model: type[Model], *key_ids: str) -> QuerySet[Any]:
    """The rows of a table that are sealed with none of these keys."""
    return model._default_manager.filter(key_storage.outside(key_ids))


def in_use(key_id: str) -> bool:
    """Whether any row is sealed with this key."""
    return any(model._default_manager.filter(key_id=key_id).exists() for model in sealed_models())


def reseal_all(progress: Progress, active: str) -> None:
    """Seal every row that is not on the active key again; `progress.left` names those that do not open."""
    for _ in range(MOST_PASSES):
        progress.left.clear()
        if not sum(_reseal_table(progress, model, active) for model in sealed_models()):
            return


def _reseal_table(progress: Progress, model: type[Model], active: str) -> int:
    """One pass through the rows in the order of their ids. Returns how many opened, whether or not they were stored."""
    todo = rows_off(model, active).select_related(*getattr(model, "place_needs", ())).order_by("pk")
    opened, rows = 0, list(todo[:BATCH])
    while rows:
        fresh = _seal_again(progress, rows)
        if fresh:
            progress.resealed[model._meta.label] += _store(progress, model, fresh)
            progress.tell(progress.resealed.total(), max(progress.total, progress.resealed.total()))
        opened += len(fresh)
        rows = list(todo.filter(pk__gt=rows[-1].pk)[:BATCH])
    return opened


def _seal_again(progress: Progress, rows: Sequence[Any]) -> list[tuple[Any, Resealed]]:
    """Outside any transaction: a provider of keys may be slow."""
    fresh = []
    for row in rows:
        try:
            fresh.append((row, key_storage.reseal(row)))
        except KeyringError as error:
            label = row._meta.label
            progress.left.append(LeftRow(label, str(row.pk), str(row), row.key_id, error.text))
    return fresh


def _store(progress: Progress, model: type[Model], fresh: Sequence[tuple[Any, Resealed]]) -> int:
    """Write what is still as it was read, read it back, and compare. Returns how many rows that were."""
    with transaction.atomic(durable=True):
        stored = {row.pk: resealed for row, resealed in fresh if _swap(model, row, resealed)}
        rows: QuerySet[Any] = model._default_manager.filter(pk__in=stored).select_related(
            *getattr(model, "place_needs", ())
        )
        if sum(stored[row.pk].is_in(row) for row in rows) != len(stored):
            raise EnvelopeBroken("What was written does not open to the same secret: the batch was taken back.")
        if stored:
            key_id = fresh[0][1].key_id
            record(progress.actor, Action.KEYRING_RESEALED, key_id, {"table": model._meta.label, "rows": len(stored)})
    return len(stored)


def _swap(model: type[Model], row: Any, resealed: Resealed) -> bool:
    """Only if nobody else changed or deleted the row since it was read: a destroyed key does not come back."""
    unchanged = model._default_manager.filter(pk=row.pk, key_id=row.key_id, envelope=bytes(row.envelope))
    return unchanged.update(envelope=resealed.envelope, key_id=resealed.key_id) == 1


def record(actor: Actor, action: Action, key_id: str, facts: dict[str, object]) -> None:
    """One audit row about a key of the keyring."""
    trail.record(
        actor=actor,
        action=action,
        object_type="keyring",
        object_id=key_id,
        object_name=key_id,
        bot=None,
        facts=facts,
    )
