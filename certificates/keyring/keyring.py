"""Seals secrets into envelopes and opens them again."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from certificates.errors import EnvelopeBroken, KeyringError
from certificates.keyring.envelope import NONCE_BYTES, Envelope, EnvelopeContext
from certificates.keyring.providers.local import KEY_BYTES, LocalKeys
from certificates.keyring.providers.port import KeyProvider
from certificates.pki.secret import Secret


class Keyring:
    """Several key-encryption keys of one provider; the active one seals, each of them opens. Immutable."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider

    @classmethod
    def generate(cls) -> Keyring:
        """A keyring with one fresh key, kept locally."""
        return cls(LocalKeys.generate())

    @classmethod
    def load(cls, text: str) -> Keyring:
        """A keyring from the text of a key file. Raises Sealed with the reason if it is not usable."""
        return cls(LocalKeys.load(text))

    def dump(self) -> str:
        """The text of the key file, with the keys in the clear. Raises KeyringError if the keys live elsewhere."""
        return self._local().dump()

    def with_new_key(self, *, active: bool = True) -> Keyring:
        """This keyring and a fresh key, which is active unless it is only prepared."""
        return Keyring(self._local().with_new_key(active=active))

    def with_prepared_key_active(self) -> Keyring:
        """This keyring, with its last key active. Raises KeyringError if no key is prepared."""
        if not self.prepared_key_ids:
            raise KeyringError("The keyring holds no prepared key.")
        return Keyring(self._local().with_active_key(self.prepared_key_ids[-1]))

    def without_key(self, key_id: str) -> Keyring:
        """This keyring without a key that nothing is sealed with any more. Raises Sealed for the active one."""
        return Keyring(self._local().without_key(key_id))

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(self.key_ids)}>"

    @property
    def active_key_id(self) -> str:
        return self._provider.active_key_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        return self._provider.key_ids

    @property
    def old_key_ids(self) -> tuple[str, ...]:
        """The keys before the active one: they were active, and still open what they sealed."""
        return self.key_ids[: self.key_ids.index(self.active_key_id)]

    @property
    def prepared_key_ids(self) -> tuple[str, ...]:
        """The keys behind the active one: nothing is sealed with them yet."""
        return self.key_ids[self.key_ids.index(self.active_key_id) + 1 :]

    def seal(self, plaintext: Secret, *, context: EnvelopeContext) -> bytes:
        """An envelope that opens only with the same `context`. Each has a data key of its own."""
        key_id = self.active_key_id
        data_key, nonce = Secret(os.urandom(KEY_BYTES)), os.urandom(NONCE_BYTES)
        wrapped = self._provider.wrap(data_key, key_id=key_id, aad=context.aad("data-key", key_id))
        cipher = AESGCM(data_key.reveal())
        ciphertext = cipher.encrypt(nonce, plaintext.reveal(), context.aad("payload", key_id))
        return Envelope(key_id, wrapped, nonce, ciphertext).pack()

    def open(self, envelope: bytes, *, context: EnvelopeContext) -> Secret:
        """The plaintext again. Raises EnvelopeBroken if it was altered, moved, or sealed by another keyring."""
        parts = Envelope.unpack(envelope)
        aad = context.aad("data-key", parts.key_id)
        data_key = self._provider.unwrap(parts.wrapped_key, key_id=parts.key_id, aad=aad)
        try:
            cipher = AESGCM(data_key.reveal())
            return Secret(cipher.decrypt(parts.nonce, parts.ciphertext, context.aad("payload", parts.key_id)))
        except (InvalidTag, ValueError) as error:
            raise EnvelopeBroken("The sealed key does not open: it was altered or moved.") from error

    def _local(self) -> LocalKeys:
        if not isinstance(self._provider, LocalKeys):
            raise KeyringError("The keys of this provider never leave it.")
        return self._provider
