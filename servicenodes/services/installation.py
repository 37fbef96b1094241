"""The first steps of an installation: secrets, keyring, first administrator. Each does nothing when already done."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import PlatformRole, User
from botplatform.accounts.services import create_user
from botplatform.audit.actions import Action
from botplatform.audit.trail import record
from certificates.errors import Sealed
from certificates.key_storage import create_keyring
from certificates.sealed_tables import sealed_models

ADMINISTRATOR = "admin"
PASSWORD_BYTES = 15  # 120 bits, 20 characters


def ensure_secret_key() -> bool:
    """Make `secret_key` in VAR_DIR (0600) and use it from now on, unless SECRET_KEY is set. True if it was made."""
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return not settings.SECRET_KEY
    except ImproperlyConfigured:  # how Django says that it is empty
        value = secrets.token_urlsafe(50)
        _write_new(settings.VAR_DIR / "secret_key", value)
        settings.SECRET_KEY = value
        return True


def ensure_keyring(*, actor: Actor) -> bool:
    """Make the keyring file unless it exists; needs the database. True if it was made.

    Raises `Sealed` when keys were sealed by a keyring that is no longer there: a new one could not open them.
    """
    path = Path(settings.KEYRING_FILE)
    if path.exists():
        return False
    if any(model._default_manager.exists() for model in sealed_models()):
        raise Sealed(f"The keyring {path} is missing, and the database holds keys sealed by it. Restore it.")
    with transaction.atomic():
        create_keyring(path)
        record(
            actor=actor,
            action=Action.KEYRING_CREATED,
            object_type="keyring",
            object_id="",
            object_name=path.name,
            bot=None,
        )
    return True


def ensure_administrator(*, actor: Actor) -> str | None:
    """Create the first administrator. Returns the password, which is stored nowhere, or None if there is one."""
    if User.objects.filter(platform_role=PlatformRole.ADMINISTRATOR).exists():
        return None
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    create_user(actor=actor, username=ADMINISTRATOR, password=password, platform_role=PlatformRole.ADMINISTRATOR.value)
    return password


def _write_new(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
