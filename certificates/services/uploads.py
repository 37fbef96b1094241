"""Uploaded files between the preview and the import: sealed, expiring, bound to one user. Nothing is stored here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from botplatform.accounts.actors import Actor
from certificates import key_storage
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret

PURPOSE = "certificate-import"
LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a person sent for an import."""

    files: tuple[UploadedFile, ...]
    passphrase: Secret | None


def seal(*, actor: Actor, upload: Upload) -> str:
    """Text for a hidden form field. Raises `Sealed`."""
    passphrase = upload.passphrase.reveal().decode("utf-8") if upload.passphrase else None
    files = [[file.name, len(file.content)] for file in upload.files]
    head = json.dumps({"passphrase": passphrase, "files": files}).encode()
    payload = len(head).to_bytes(4, "big") + head + b"".join(file.content for file in upload.files)
    expires_at = timezone.now() + LIFETIME
    return key_storage.seal_upload(payload, user_id=actor.user_id, purpose=PURPOSE, expires_at=expires_at)


def unseal(*, actor: Actor, token: str) -> Upload:
    """The files and the passphrase again. Raises `InvalidInput` (expired, altered, somebody else's) or `Sealed`."""
    payload = key_storage.open_upload(token, user_id=actor.user_id, purpose=PURPOSE, now=timezone.now())
    position = 4 + int.from_bytes(payload[:4], "big")
    head = json.loads(payload[4:position])
    files = []
    for name, size in head["files"]:
        files.append(UploadedFile(name, payload[position : position + size]))
        position += size
    passphrase = None if head["passphrase"] is None else Secret(head["passphrase"].encode("utf-8"))
    return Upload(tuple(files), passphrase)
