"""Rotating the keyring: a new key, every row sealed again with it, and the old keys retired, then dropped.

The rows that are not on the active key are the list of what is left to do, so the next run takes up one that was
killed. A key leaves the key file in an order that leaves no row behind that only it opens:

1. every row on it is sealed again, read back and compared before the commit;
2. it is retired: from that commit on, triggers refuse rows that were sealed with it meanwhile;
3. whoever wrote before that commit is waited for, and what they left is sealed again too;
4. if no row is on it then, none will ever be, and it is dropped from the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, transaction

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from certificates import key_file, key_storage, sealed_tables
from certificates.models import RetiredKey
from certificates.sealed_tables import sealed_models
from certificates.services import resealing
from certificates.services.resealing import LeftRow, Progress, record


@dataclass(frozen=True, slots=True)
class Rekeying:
    """What a rotation did. `resealed` counts rows by table; `left` names those that could not be sealed again."""

    active: str
    added: str | None
    resealed: dict[str, int]
    left: tuple[LeftRow, ...]
    dropped: tuple[str, ...]
    kept: tuple[str, ...]  # old keys that rows still need


def prepare_key(*, actor: Actor) -> str:
    """Add a key that nothing is sealed with yet, for hosts that hold copies of the key file. Returns its id.

    Raises `NotAllowed`, `Sealed`, `Conflict` (another rotation is running).
    """
    authorize(actor, Permission.KEYRING_ROTATE, bot=None)
    with key_file.locked() as path:
        keyring = key_storage.fitting_keyring().with_new_key(active=False)
        key_id = keyring.prepared_key_ids[-1]
        with transaction.atomic(durable=True):
            record(actor, Action.KEYRING_KEY_ADDED, key_id, {"active": False})
            key_file.replace(path, keyring)
    return key_id


def rotate_keyring(
    *, actor: Actor, new_key: bool = False, tell: Callable[[int, int], None] = lambda done, total: None
) -> Rekeying:
    """Seal every row with the active key, and drop the keys that nothing needs any more.

    With `new_key` a prepared key, or else a fresh one, is made active first. `tell(done, total)` counts rows.
    Raises `NotAllowed`, `Sealed`, `Conflict` (another rotation is running).
    """
    authorize(actor, Permission.KEYRING_ROTATE, bot=None)
    with key_file.locked() as path:
        key_storage.fitting_keyring()  # a wrong one is not rotated
        added = _activate(actor, path) if new_key else None
        active = key_storage.load_keyring().active_key_id
        progress = Progress(actor, tell, sum(resealing.rows_off(model, active).count() for model in sealed_models()))
        resealing.reseal_all(progress, active)
        dropped = _drop_old_keys(progress, path)
    return Rekeying(
        active=active,
        added=added,
        resealed=dict(progress.resealed),
        left=tuple(progress.left),
        dropped=dropped,
        kept=key_storage.load_keyring().old_key_ids,
    )


def _activate(actor: Actor, path: Path) -> str:
    """Make the prepared key active, or a fresh one. The file is replaced last, and then the record is committed."""
    before = key_storage.load_keyring()
    keyring = before.with_prepared_key_active() if before.prepared_key_ids else before.with_new_key()
    key_id, facts = keyring.active_key_id, {"active": True, "before": before.active_key_id}
    action = Action.KEYRING_KEY_ACTIVATED if before.prepared_key_ids else Action.KEYRING_KEY_ADDED
    with transaction.atomic(durable=True):
        record(actor, action, key_id, dict(facts))
        key_file.replace(path, keyring)
    return key_id


def _drop_old_keys(progress: Progress, path: Path) -> tuple[str, ...]:
    """Retire the old keys that no row is on, and drop them from the file. Returns their ids."""
    unused = [key_id for key_id in key_storage.load_keyring().old_key_ids if not resealing.in_use(key_id)]
    if not unused:
        return ()
    _retire(progress.actor, unused)
    sealed_tables.wait_for_writers(DEFAULT_DB_ALIAS)
    keyring = key_storage.load_keyring()
    resealing.reseal_all(progress, keyring.active_key_id)
    dropped = tuple(key_id for key_id in unused if not resealing.in_use(key_id))
    with transaction.atomic(durable=True):
        for key_id in dropped:
            keyring = keyring.without_key(key_id)
            record(progress.actor, Action.KEYRING_KEY_DROPPED, key_id, {"active": keyring.active_key_id})
        if dropped:
            key_file.replace(path, keyring)
    return dropped


def _retire(actor: Actor, key_ids: list[str]) -> None:
    """From this commit on, the database refuses rows that were sealed with these keys."""
    with transaction.atomic(durable=True):
        known = set(RetiredKey.objects.filter(pk__in=key_ids).values_list("pk", flat=True))
        for key_id in key_ids:
            if key_id not in known:
                RetiredKey.objects.create(pk=key_id)
                record(actor, Action.KEYRING_KEY_RETIRED, key_id, {})
