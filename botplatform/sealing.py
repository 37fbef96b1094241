"""How the lower packages keep a secret at rest: sealed with the keyring, which only `certificates` opens.

`settings.SECRET_SEALER` and `settings.SECRET_OPENER` name what does it; this module knows only the shape. A secret
opens only for the same model, row and owner.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string


def seal(secret: str, *, model: str, object_id: str, owner: str) -> tuple[bytes, str]:
    """The envelope, and the id of the key that wraps it; both are stored. Raises `DomainError` while sealed."""
    sealed: tuple[bytes, str] = import_string(settings.SECRET_SEALER)(
        secret, model=model, object_id=object_id, owner=owner
    )
    return sealed


def unseal(envelope: bytes, *, key_id: str, model: str, object_id: str, owner: str) -> str:
    """The secret again. Raises `DomainError` while sealed, or if the row was tampered with."""
    return str(
        import_string(settings.SECRET_OPENER)(envelope, key_id=key_id, model=model, object_id=object_id, owner=owner)
    )
