"""The layout of an envelope, and what it is bound to. `docs/adr/0001-envelope-format.md` tells why.

    4 bytes   magic and version: `BPE1`
    1 byte    length of the key id, then the key id in ASCII
    2 bytes   length of the wrapped data key (big-endian), then the wrapped data key
    12 bytes  nonce, then the payload under AES-256-GCM with the data key (its last 16 bytes are the tag)

Both encryptions authenticate the context, so an envelope opens only in the row it was made for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from certificates.errors import EnvelopeBroken

MAGIC = b"BPE1"
NONCE_BYTES = 12
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class EnvelopeContext:
    """What an envelope is bound to: the model, the row's id, its owner (`platform` or a bot's id), its version."""

    model: str
    object_id: str
    owner: str
    version_number: int

    def aad(self, layer: str, key_id: str) -> bytes:
        """The additional authenticated data of one layer (`data-key` or `payload`).

        Each part is UTF-8 after its length in four bytes (big-endian), so no two contexts make the same bytes.
        """
        parts = (MAGIC.decode(), layer, self.model, self.object_id, self.owner, str(self.version_number), key_id)
        encoded = (part.encode() for part in parts)
        return b"".join(struct.pack(">I", len(part)) + part for part in encoded)


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of an envelope."""

    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes

    def pack(self) -> bytes:
        """The envelope as stored."""
        key_id = self.key_id.encode("ascii")
        head = struct.pack(">4sB", MAGIC, len(key_id)) + key_id
        return head + struct.pack(">H", len(self.wrapped_key)) + self.wrapped_key + self.nonce + self.ciphertext

    @classmethod
    def unpack(cls, data: bytes) -> Envelope:
        """Take an envelope apart. Raises EnvelopeBroken if it is none, cut off, or of another version."""
        if data[:3] != MAGIC[:3]:
            raise EnvelopeBroken("The sealed key is damaged: it is not an envelope.")
        if data[:4] != MAGIC:
            raise EnvelopeBroken("The sealed key is of an envelope version that this release does not know.")
        try:
            key_id, position = _block(data, 4, ">B")
            wrapped_key, position = _block(data, position, ">H")
            nonce, ciphertext = data[position : position + NONCE_BYTES], data[position + NONCE_BYTES :]
            if len(ciphertext) < TAG_BYTES:
                raise EnvelopeBroken("The sealed key is cut off.")
            return cls(key_id.decode("ascii"), wrapped_key, nonce, ciphertext)
        except (struct.error, UnicodeDecodeError) as error:
            raise EnvelopeBroken("The sealed key is damaged.") from error


def _block(data: bytes, position: int, length_format: str) -> tuple[bytes, int]:
    (length,) = struct.unpack_from(length_format, data, position)
    start = position + struct.calcsize(length_format)
    return data[start : start + length], start + length
