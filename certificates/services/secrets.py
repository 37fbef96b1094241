"""Secrets of the lower packages at rest (`botplatform.sealing` calls this by the names in the settings)."""

from __future__ import annotations

from django.views.decorators.debug import sensitive_variables

from certificates import key_storage
from certificates.pki.secret import Secret


@sensitive_variables()
def seal_text(text: str, *, model: str, object_id: str, owner: str) -> tuple[bytes, str]:
    """The envelope of a text, and the id of the key that wraps it. Raises `Sealed`."""
    return key_storage.seal_secret(Secret(text.encode()), model=model, object_id=object_id, owner=owner)


@sensitive_variables()
def open_text(envelope: bytes, *, key_id: str, model: str, object_id: str, owner: str) -> str:
    """The text again. Raises `Sealed`, or `EnvelopeBroken` if the row was tampered with."""
    secret = key_storage.open_secret(envelope, key_id=key_id, model=model, object_id=object_id, owner=owner)
    return secret.reveal().decode()
