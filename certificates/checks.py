"""System checks: what `manage.py check` says about keys at rest."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from certificates.errors import Sealed
from certificates.key_storage import fitting_keyring, load_keyring
from certificates.models import SealedKey


@register(Tags.security)
def keyring_opens(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W001: the product runs sealed."""
    try:
        load_keyring()
    except Sealed as sealed:
        return [
            Warning(
                f"Sealed: {sealed.text}",
                hint="Nothing that needs a private key works until this is put right.",
                id="certificates.W001",
            )
        ]
    return []


@register(Tags.security)
def keyring_is_not_served(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """E001: the key file lies where the web server takes files from."""
    # Unlike Path.resolve(), it does not raise on a loop of links; W001 tells of that.
    path = Path(os.path.realpath(settings.KEYRING_FILE))
    served = [Path(folder).resolve() for folder in (settings.STATIC_ROOT, *settings.STATICFILES_DIRS) if folder]
    if not any(path.is_relative_to(folder) for folder in served):
        return []
    hint = "Move it to a folder that only the user of the console can read."
    return [
        Error("The keyring file lies among the static files, which anybody can fetch.", hint, id="certificates.E001")
    ]


@register(Tags.security, deploy=True)
def keyring_folder_is_protected(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    """W002: others could put another file in the keyring's place."""
    folder = Path(os.path.realpath(settings.KEYRING_FILE)).parent
    if not folder.is_dir():
        return []  # W001 tells that the file is missing
    mode = folder.stat().st_mode
    if not mode & (stat.S_IWGRP | stat.S_IWOTH) or mode & stat.S_ISVTX:
        return []
    hint = f"Run chmod go-w {folder}."
    return [Warning("Others may replace the keyring file: its folder is open to them.", hint, id="certificates.W002")]


@register(Tags.database)
def keyring_fits(app_configs: object, databases: Sequence[str] | None, **kwargs: Any) -> list[CheckMessage]:
    """W003: the keyring is another installation's. Runs with `check --database default` and `migrate`."""
    if "default" not in (databases or ()):
        return []
    with connections["default"].cursor() as cursor:
        if SealedKey._meta.db_table not in connections["default"].introspection.table_names(cursor):
            return []  # before the first migration
    try:
        load_keyring()
    except Sealed:
        return []  # W001 tells
    try:
        fitting_keyring()
    except Sealed as sealed:
        hint = "Restore the keyring that belongs to this database."
        return [Warning(f"Sealed: {sealed.text}", hint, id="certificates.W003")]
    return []
