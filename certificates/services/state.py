"""Whether keys can be opened and stored just now, for the pages that say so."""

from __future__ import annotations

from certificates import key_storage


def sealed_reason() -> str | None:
    """Why the console is sealed, in one sentence; None when all is well."""
    return key_storage.sealed_reason()
