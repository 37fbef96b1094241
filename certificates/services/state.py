"""Whether keys can be opened and stored just now, and with which, for the pages that say so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from certificates import key_storage
from certificates.errors import Sealed
from certificates.services.resealing import rows_on_each_key


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key-encryption key: `active`, `old`, `prepared`, or `missing` from the key file; and what is sealed with it."""

    key_id: str
    state: str
    rows: int


def sealed_reason() -> str | None:
    """Why the console is sealed, in one sentence; None when all is well."""
    return key_storage.sealed_reason()


def key_states() -> list[KeyState]:
    """Every key of the keyring in its order, then those that rows need and it does not hold. A query for each table."""
    states: dict[str, str] = {}
    try:
        keyring = key_storage.load_keyring()
        states |= dict.fromkeys(keyring.old_key_ids, "old")
        states |= {keyring.active_key_id: "active"} | dict.fromkeys(keyring.prepared_key_ids, "prepared")
    except Sealed:
        pass  # then the page says why
    rows = sum((Counter(counts) for counts in rows_on_each_key().values()), Counter())
    return [KeyState(key_id, states.get(key_id, "missing"), rows[key_id]) for key_id in dict.fromkeys([*states, *rows])]
