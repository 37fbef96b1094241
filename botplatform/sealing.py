"""How the lower packages keep a secret at rest: sealed with the keyring, which only `certificates` opens.

`settings.SECRET_SEALER` and `settings.SECRET_OPENER` name what does it; this module knows only the shape: a row with
the fields `envelope` and `key_id`, and with `place()`, which tells what the secret is bound to. A rotation of the
keyring finds such rows by these fields.
"""

from __future__ import annotations

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Model
from django.utils.module_loading import import_string

from botplatform.errors import Conflict

REFUSAL = "This was sealed with a key that is retired meanwhile."  # how the database says it


def overtaken(error: Exception) -> Conflict | None:
    """What the doors say where the keyring was rotated between the sealing of a secret and its storing."""
    if isinstance(error, IntegrityError) and REFUSAL in str(error):
        return Conflict("The keyring was rotated at the same moment. Nothing was saved: do it again.")
    return None


def seal(row: Model, secret: str) -> None:
    """Keep the secret in the row, which the caller saves. Raises `DomainError` while the console is sealed."""
    import_string(settings.SECRET_SEALER)(row, secret)


def unseal(row: Model) -> str:
    """The secret again. Raises `DomainError` while sealed, or if the row was tampered with."""
    return str(import_string(settings.SECRET_OPENER)(row))
