"""What a provider of key-encryption keys must do."""

from __future__ import annotations

from typing import Protocol

from certificates.pki.secret import Secret


class KeyProvider(Protocol):
    """Wraps and unwraps data keys with key-encryption keys that may never leave it."""

    @property
    def active_key_id(self) -> str:
        """The key that wraps new data keys: at most 40 characters of ASCII."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All the keys it can unwrap with."""

    def wrap(self, data_key: Secret, *, key_id: str, aad: bytes) -> bytes:
        """Encrypt a data key of 32 bytes, bound to `aad`."""

    def unwrap(self, wrapped: bytes, *, key_id: str, aad: bytes) -> Secret:
        """The data key again. Raises EnvelopeBroken if it was altered, moved, or wrapped by an unknown key."""
