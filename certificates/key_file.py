"""Changing the key file: by one process at a time, and at one instant for everybody who reads it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

from botplatform.errors import Conflict
from certificates.errors import Sealed
from certificates.key_storage import sync_directory
from certificates.keyring.keyring import Keyring


@contextmanager
def locked() -> Iterator[Path]:
    """The real path of the key file, which nobody else changes meanwhile. A process that dies lets go.

    Raises Sealed, or Conflict when another process is at it.
    """
    path = Path(os.path.realpath(settings.KEYRING_FILE))  # a link stays a link
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Sealed(f"The folder {path.parent} of the keyring cannot be opened: {error.strerror}.") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(FileNotFoundError):
            _draft(path).unlink()  # of a process that was killed; it holds keys
        yield path
    except BlockingIOError as error:
        raise Conflict("Another rotation of the keyring is running. Wait for its end, then look again.") from error
    finally:
        os.close(folder)


def replace(path: Path, keyring: Keyring) -> None:
    """Put another keyring in the file's place, with the file's mode. Call within `locked`. Raises Sealed.

    A reader finds the old file or the new one, also after the power fails.
    """
    draft = _draft(path)
    try:
        mode = path.stat().st_mode & 0o600
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(keyring.dump())
            file.flush()
            os.fchmod(descriptor, mode)  # whatever the umask
            os.fsync(descriptor)
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Sealed(f"The keyring file {path} cannot be replaced: {error.strerror}.") from error


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
