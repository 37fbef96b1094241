"""Secrets of the lower packages at rest (`botplatform.sealing` calls this by the names in the settings)."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from certificates import key_storage
from certificates.key_storage import SealedRow
from certificates.pki.secret import Secret


@sensitive_variables()
def seal_text(row: SealedRow, text: str) -> None:
    """Put the text into an unsaved row. Raises `Sealed`."""
    key_storage.seal_into(row, Secret(text.encode()))


@sensitive_variables()
def open_text(row: SealedRow) -> str:
    """The text again. Raises `Sealed`, or `EnvelopeBroken` if the row was tampered with."""
    return key_storage.open_row(row).reveal().decode()
