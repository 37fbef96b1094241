"""A bot definition between its preview and its import: sealed, expiring, bound to one user. Nothing is stored here."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta

from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.errors import InvalidInput
from certificates import key_storage
from servicenodes.definitions.definition import BotDefinition

PURPOSE = "definition-import"
LIFETIME = timedelta(minutes=15)
MOST_CHARACTERS = 2_000_000  # what a form may send beside files


def seal(*, actor: Actor, definition: BotDefinition) -> str:
    """Text for a hidden form field. Raises `Sealed`, `InvalidInput`."""
    payload = zlib.compress(json.dumps(definition.as_json()).encode())
    expires_at = timezone.now() + LIFETIME
    token = key_storage.seal_upload(payload, user_id=actor.user_id, purpose=PURPOSE, expires_at=expires_at)
    if len(token) > MOST_CHARACTERS:
        text = "The bot definition is too large to be shown before it is saved. Import it with the command import_bot."
        raise InvalidInput(text, field="files", code="too_large")
    return token


def unseal(*, actor: Actor, token: str) -> BotDefinition:
    """The definition again. Raises `InvalidInput` (expired, altered, somebody else's) or `Sealed`."""
    payload = key_storage.open_upload(token, user_id=actor.user_id, purpose=PURPOSE, now=timezone.now())
    return BotDefinition.from_json(json.loads(zlib.decompress(payload)))
