"""Key-encryption keys in a JSON text, which the caller keeps in a file outside the database.

`{"format": "botplatform-keyring-1", "active": ID, "keys": [{"id": ID, "key": BASE64, "check": HEX}, …]}`
A key is 32 random bytes. Its check value is HMAC-SHA-256 of its id under the key: it tells a wrong or damaged key
before anything is sealed with it, and tells nothing about the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certificates.errors import EnvelopeBroken, Sealed
from certificates.pki.secret import Secret

FORMAT = "botplatform-keyring-1"
KEY_BYTES = 32
NONCE_BYTES = 12
_NOT_JSON = object()
_ID_FORM = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)


class LocalKeys:
    """Several key-encryption keys, one of them active. Immutable."""

    def __init__(self, keys: Mapping[str, Secret], active: str) -> None:
        self._keys = dict(keys)
        self._active = active

    @classmethod
    def generate(cls) -> LocalKeys:
        """One fresh key."""
        return cls({}, "").with_new_key()

    def __repr__(self) -> str:
        return f"<LocalKeys {', '.join(self._keys)}>"

    @property
    def active_key_id(self) -> str:
        return self._active

    @property
    def key_ids(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def with_new_key(self, *, active: bool = True) -> LocalKeys:
        """The same keys and a fresh one behind them, which is active unless it is only prepared."""
        key_id = f"k{os.urandom(6).hex()}"
        return LocalKeys({**self._keys, key_id: Secret(os.urandom(KEY_BYTES))}, key_id if active else self._active)

    def with_active_key(self, key_id: str) -> LocalKeys:
        """The same keys, another of them active."""
        return LocalKeys(self._keys, key_id)

    def without_key(self, key_id: str) -> LocalKeys:
        """The other keys. Raises Sealed for the active key: nothing could be sealed any more."""
        if key_id == self._active:
            raise Sealed("The active key of the keyring cannot be dropped.")
        return LocalKeys({other: key for other, key in self._keys.items() if other != key_id}, self._active)

    def wrap(self, data_key: Secret, *, key_id: str, aad: bytes) -> bytes:
        """Nonce, then the data key under AES-256-GCM."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._keys[key_id].reveal()).encrypt(nonce, data_key.reveal(), aad)

    def unwrap(self, wrapped: bytes, *, key_id: str, aad: bytes) -> Secret:
        """The data key again. Raises EnvelopeBroken if it was altered, moved, or wrapped by an unknown key."""
        if key_id not in self._keys:
            raise EnvelopeBroken(f"The key was sealed with {key_id}, which is not in the keyring.")
        try:
            cipher = AESGCM(self._keys[key_id].reveal())
            return Secret(cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], aad))
        except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
            raise EnvelopeBroken("The sealed key does not open: it was altered or moved.") from error

    def dump(self) -> str:
        """The text to keep in the key file. It holds the keys in the clear."""
        keys = [
            {"id": key_id, "key": base64.b64encode(key.reveal()).decode(), "check": check_value(key_id, key)}
            for key_id, key in self._keys.items()
        ]
        return json.dumps({"format": FORMAT, "active": self._active, "keys": keys}, indent=2) + "\n"

    @classmethod
    def load(cls, text: str) -> LocalKeys:
        """Read the text of a key file. Raises Sealed with the reason, which never quotes the text."""
        document = _parse(text)
        if document is _NOT_JSON:
            raise Sealed("The keyring file is damaged or cut off: it is not JSON.")
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise Sealed(f"The keyring file is not of the format {FORMAT}.")
        entries = document.get("keys")
        if not isinstance(entries, list) or not entries:
            raise Sealed("The keyring file holds no key.")
        keys = dict(_read_key(entry) for entry in entries)
        if len(keys) != len(entries):
            raise Sealed("The keyring file names one key twice.")
        active = document.get("active")
        if not isinstance(active, str) or active not in keys:
            raise Sealed("The keyring file's active key is not among its keys.")
        return cls(keys, active)


def _parse(text: str) -> object:
    """The JSON value. A JSONDecodeError holds the whole text with the keys, so it ends here."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOT_JSON


def check_value(key_id: str, key: Secret) -> str:
    """HMAC-SHA-256 of the key's id under the key, lower-case hexadecimal."""
    return hmac.new(key.reveal(), f"{FORMAT} check {key_id}".encode(), hashlib.sha256).hexdigest()


def _read_key(entry: Any) -> tuple[str, Secret]:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("id", "key", "check")):
        raise Sealed("The keyring file holds a key without id, key or check value.")
    key_id = entry["id"]
    if not _ID_FORM.fullmatch(key_id):
        raise Sealed("The keyring file holds a key with an id that is not of lower-case letters, digits and hyphens.")
    try:
        key = Secret(base64.b64decode(entry["key"], validate=True))
    except (binascii.Error, ValueError) as error:
        raise Sealed(f"The key {key_id} of the keyring file is damaged.") from error
    if len(key) != KEY_BYTES:
        raise Sealed(f"The key {key_id} of the keyring file is cut off: it must have {KEY_BYTES} bytes.")
    if not hmac.compare_digest(check_value(key_id, key).encode(), entry["check"].encode()):
        raise Sealed(f"The key {key_id} of the keyring file is wrong: its check value does not match.")
    return key_id, key
