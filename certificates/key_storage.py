"""The only door from settings to the keyring: the key file, sealed private keys, and sealed uploads."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import struct
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.db.models import Model, Q

from botplatform.errors import InvalidInput
from certificates.errors import EnvelopeBroken, Sealed
from certificates.keyring.envelope import EnvelopeContext
from certificates.keyring.keyring import Keyring
from certificates.models import CertificateVersion, Place, RetiredKey, SealedKey
from certificates.pki.secret import Secret
from certificates.sealed_tables import sealed_models

MAX_KEY_FILE_BYTES = 64 * 1024
PREVIEW_EXPIRED = "The preview has expired; choose the files again."
_Stamp = tuple[str, int, int, int]  # path, modification time in ns, inode, size
_loaded: tuple[_Stamp, Keyring] | None = None  # the last keyring read by this process


# --- The key file -----------------------------------------------------------------------------------------------------


def load_keyring() -> Keyring:
    """The keyring of `KEYRING_FILE`; read again only when the file changed.

    Raises Sealed with the reason: missing, readable by others, another user's, damaged, wrong.
    """
    if settings.KEY_PROVIDER != "local":
        raise Sealed(f"KEY_PROVIDER names “{settings.KEY_PROVIDER}”, which this release does not know.")
    path = Path(settings.KEYRING_FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Sealed(f"There is no keyring file at {path}.") from error
    except OSError as error:
        raise Sealed(f"The keyring file {path} cannot be read: {error.strerror}.") from error
    try:
        status = os.fstat(descriptor)
        _check_protection(path, status)
        return _read(descriptor, path, status)
    finally:
        os.close(descriptor)


def _check_protection(path: Path, status: os.stat_result) -> None:
    """Nobody but the user this process runs as may read or change the file."""
    if not stat.S_ISREG(status.st_mode):
        raise Sealed(f"The keyring file {path} is not a regular file.")
    if status.st_uid != os.geteuid():
        raise Sealed(
            f"The keyring file {path} belongs to user {status.st_uid}, and this process runs as user {os.geteuid()}: "
            f"run it as that user, or run chown {os.geteuid()} {path}."
        )
    if stat.S_IMODE(status.st_mode) & 0o177:
        raise Sealed(
            f"The keyring file {path} has mode {stat.S_IMODE(status.st_mode):04o}, so others may use it: "
            f"run chmod 600 {path}."
        )


def _read(descriptor: int, path: Path, status: os.stat_result) -> Keyring:
    global _loaded  # noqa: PLW0603 - one keyring per process
    stamp = (str(path), status.st_mtime_ns, status.st_ino, status.st_size)
    if _loaded is not None and _loaded[0] == stamp:
        return _loaded[1]
    if status.st_size > MAX_KEY_FILE_BYTES:
        raise Sealed(f"The keyring file {path} is too large to be one.")
    try:
        # A UnicodeDecodeError would hold the content; what replaces a byte is no JSON, or no key, either.
        text = os.pread(descriptor, MAX_KEY_FILE_BYTES, 0).decode("ascii", "replace")
    except OSError as error:
        raise Sealed(f"The keyring file {path} cannot be read: {error.strerror}.") from error
    keyring = Keyring.load(text)
    _loaded = (stamp, keyring)
    return keyring


def create_keyring(path: Path) -> Keyring:
    """Make a key file with one fresh key, mode 0600. Raises Sealed if there is a file already: it is never replaced."""
    keyring = Keyring.generate()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError as error:
        raise Sealed(f"There is already a file at {path}; a keyring is never replaced.") from error
    except OSError as error:
        raise Sealed(f"The keyring file {path} cannot be made: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask
            file.write(keyring.dump())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key file must not stand in the way of the next attempt
        raise Sealed(f"The keyring file {path} cannot be written: {error.strerror}.") from error
    sync_directory(path.parent)
    return keyring


def sync_directory(directory: Path) -> None:
    """Have the names in it on disk, so that a new file survives the power failing."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- Sealed or not ----------------------------------------------------------------------------------------------------


def sealed_reason() -> str | None:
    """Why no key can be opened or stored, in one sentence; None when all is well. Two cheap queries."""
    try:
        fitting_keyring()
    except Sealed as sealed:
        return sealed.text
    return None


def fitting_keyring() -> Keyring:
    """The keyring, once it is known to be the one that all that is stored was sealed with. Raises Sealed."""
    keyring = load_keyring()
    while reason := _misfit(keyring):
        again = load_keyring()
        if again is keyring:
            raise Sealed(reason)
        keyring = again  # it was rotated between the look at the file and the one at the database
    return keyring


def _misfit(keyring: Keyring) -> str | None:
    first, *others = (
        model._default_manager.filter(outside(keyring.key_ids)).order_by().values_list("key_id", flat=True)
        for model in sealed_models()
    )
    for foreign in first.union(*others, all=True)[:1]:
        return f"The keyring is a wrong one: stored secrets are sealed with {foreign}, which it does not hold."
    if RetiredKey.objects.filter(pk=keyring.active_key_id).exists():
        return f"The keyring is an old copy: its active key {keyring.active_key_id} was retired by a rotation."
    return None


def outside(key_ids: tuple[str, ...]) -> Q:
    """Rows of any other key id, as ranges of the index: `NOT IN` would read every row."""
    ordered = sorted(key_ids)
    outside = Q(key_id__lt=ordered[0]) | Q(key_id__gt=ordered[-1])
    for lower, upper in pairwise(ordered):
        outside |= Q(key_id__gt=lower, key_id__lt=upper)
    return outside


# --- Private keys -----------------------------------------------------------------------------------------------------


def seal_private_key(*, version: CertificateVersion, private_key: Secret) -> SealedKey:
    """An unsaved row that holds the key (PKCS#8 DER) of `version`, which needs its id, number and certificate.

    Raises Sealed without a keyring, or with one that stored secrets were not sealed with.
    """
    row = SealedKey(version=version)
    seal_into(row, private_key)
    return row


def open_private_key(*, version: CertificateVersion, sealed_key: SealedKey) -> Secret:
    """The private key of `version` (PKCS#8 DER). Raises Sealed, or EnvelopeBroken if the row was tampered with."""
    sealed_key.version = version
    return open_row(sealed_key)


# --- Rows with an envelope --------------------------------------------------------------------------------------------


class SealedRow(Protocol):
    """A row of any table that holds a secret as an envelope: fields of these names, and what it is bound to."""

    pk: Any
    envelope: Any
    key_id: str

    def place(self) -> Place: ...


def seal_into(row: SealedRow, secret: Secret) -> None:
    """Put the secret into an unsaved row. It opens only in the same place. Raises Sealed."""
    keyring = fitting_keyring()
    row.envelope, row.key_id = keyring.seal(secret, context=_context(row)), keyring.active_key_id


def open_row(row: SealedRow) -> Secret:
    """The secret of a row. Raises Sealed, or EnvelopeBroken if the row was tampered with."""
    keyring = load_keyring()
    if row.key_id not in keyring.key_ids:
        _read_again(row)
        keyring = load_keyring()
    if row.key_id not in keyring.key_ids:
        raise Sealed(f"The keyring does not hold {row.key_id}, which this is sealed with.")
    return keyring.open(bytes(row.envelope), context=_context(row))


def _read_again(row: SealedRow) -> None:
    """The keyring may have been rotated since the row was read: then it is sealed with another key now."""
    assert isinstance(row, Model)  # noqa: S101
    stored = type(row)._default_manager.filter(pk=row.pk).values_list("envelope", "key_id").first()
    if stored is not None:
        row.envelope, row.key_id = stored


def _context(row: SealedRow) -> EnvelopeContext:
    return EnvelopeContext(*row.place())


@dataclass(frozen=True, slots=True)
class Resealed:
    """What a row is to hold instead: the same secret under the active key. Nothing is stored yet."""

    envelope: bytes
    key_id: str
    secret: Secret

    def is_in(self, row: SealedRow) -> bool:
        """Whether the row, as stored now, opens and holds the same secret."""
        return row.key_id == self.key_id and open_row(row).reveal() == self.secret.reveal()


def reseal(row: SealedRow) -> Resealed:
    """Open the row and seal its secret again, with a data key of its own. Raises Sealed, EnvelopeBroken.

    Both layers of an envelope are bound to the id of the key, so wrapping the data key again would not do.
    """
    secret, keyring = open_row(row), load_keyring()
    return Resealed(keyring.seal(secret, context=_context(row)), keyring.active_key_id, secret)


# --- Uploads between the preview and the import -----------------------------------------------------------------------


def seal_upload(payload: bytes, *, user_id: object, purpose: str, expires_at: datetime) -> str:
    """Text for a hidden form field, which only `open_upload` reads again, for the same user and purpose."""
    content = Secret(struct.pack(">d", expires_at.timestamp()) + payload)
    envelope = load_keyring().seal(content, context=_upload_context(user_id, purpose))
    return base64.urlsafe_b64encode(envelope).decode("ascii")


def open_upload(token: str, *, user_id: object, purpose: str, now: datetime) -> bytes:
    """The payload again. Raises InvalidInput if the text has expired, was altered, or is another user's."""
    try:
        envelope = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        content = load_keyring().open(envelope, context=_upload_context(user_id, purpose)).reveal()
    except (UnicodeEncodeError, binascii.Error, EnvelopeBroken) as error:
        raise InvalidInput(PREVIEW_EXPIRED, code="preview_expired") from error
    (expires_at,) = struct.unpack_from(">d", content)
    if now.timestamp() >= expires_at:
        raise InvalidInput(PREVIEW_EXPIRED, code="preview_expired")
    return content[8:]


def _upload_context(user_id: object, purpose: str) -> EnvelopeContext:
    return EnvelopeContext(model="upload", object_id=purpose, owner=str(user_id), version_number=0)
