"""Reads the signature algorithms out of a CertificateRequest, which the engine's public API does not show.

TLS 1.2 sends the message in the clear (RFC 5246, 7.4.4). TLS 1.3 encrypts it; the server's handshake traffic secret
of this one connection opens its flight (RFC 8446, 5.2 and 7.3). The caller drops the secret afterwards.
Pure: bytes in, names out. What cannot be read gives an empty tuple, for it is only an addition to the report.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from servicenodes.tls.names import signature_algorithm_name

HANDSHAKE, APPLICATION_DATA = 22, 23
CERTIFICATE_REQUEST, FINISHED = 13, 20
SIGNATURE_ALGORITHMS = 13
Aead = AESGCM | AESCCM | ChaCha20Poly1305


def signature_algorithms(received: bytes, *, cipher: str | None, secret: bytes | None) -> tuple[str, ...]:
    """The names in the server's order. `received` is everything the server sent, from the first byte.

    `secret` is the server handshake traffic secret of a TLS 1.3 connection, None for TLS 1.2.
    """
    try:
        if secret is None or cipher is None:
            return _of_tls12(_plain_handshake(received))
        return _of_tls13(_encrypted_handshake(received, cipher, secret))
    except (IndexError, struct.error, ValueError, InvalidTag):
        return ()


def _records(received: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, header and payload of each whole record."""
    position = 0
    while position + 5 <= len(received):
        header = received[position : position + 5]
        length = struct.unpack_from("!H", header, 3)[0]
        payload = received[position + 5 : position + 5 + length]
        if len(payload) < length:
            return
        yield header[0], header, payload
        position += 5 + length


def _messages(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each whole handshake message."""
    position = 0
    while position + 4 <= len(stream):
        length = int.from_bytes(stream[position + 1 : position + 4], "big")
        body = stream[position + 4 : position + 4 + length]
        if len(body) < length:
            return
        yield stream[position], body
        position += 4 + length


def _plain_handshake(received: bytes) -> bytes:
    return b"".join(payload for kind, _, payload in _records(received) if kind == HANDSHAKE)


def _encrypted_handshake(received: bytes, cipher: str, secret: bytes) -> bytes:
    aead, iv = _keys(cipher, secret)
    opened = bytearray()
    number = 0
    for kind, header, payload in _records(received):
        if kind != APPLICATION_DATA:
            continue
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(len(iv), "big")
        inner = aead.decrypt(nonce, payload, header).rstrip(b"\0")
        number += 1
        if inner[-1] == HANDSHAKE:
            opened += inner[:-1]
        # The request follows the encrypted extensions at once; its end is all that is needed.
        if any(message in (CERTIFICATE_REQUEST, FINISHED) for message, _ in _messages(bytes(opened))):
            break
    return bytes(opened)


def _keys(cipher: str, secret: bytes) -> tuple[Aead, bytes]:
    algorithm = "sha384" if cipher.endswith("SHA384") else "sha256"
    long_key = "AES_256" in cipher or "CHACHA20" in cipher
    key = _expand_label(algorithm, secret, b"key", 32 if long_key else 16)
    iv = _expand_label(algorithm, secret, b"iv", 12)
    if "CHACHA20" in cipher:
        return ChaCha20Poly1305(key), iv
    if "CCM" in cipher:
        return AESCCM(key, tag_length=8 if "CCM_8" in cipher else 16), iv
    return AESGCM(key), iv


def _expand_label(algorithm: str, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1) for no more than one block of the hash, which is all that keys take."""
    full = b"tls13 " + label
    info = struct.pack("!HB", length, len(full)) + full + b"\0"
    return hmac.digest(secret, info + b"\1", algorithm)[:length]


def _of_tls12(stream: bytes) -> tuple[str, ...]:
    for kind, body in _messages(stream):
        if kind == CERTIFICATE_REQUEST:
            start = 1 + body[0]  # behind the certificate types
            return _names(body[start + 2 : start + 2 + struct.unpack_from("!H", body, start)[0]])
    return ()


def _of_tls13(stream: bytes) -> tuple[str, ...]:
    for kind, body in _messages(stream):
        if kind != CERTIFICATE_REQUEST:
            continue
        position = 1 + body[0] + 2  # behind the context and the length of all extensions
        while position + 4 <= len(body):
            extension, length = struct.unpack_from("!HH", body, position)
            if extension == SIGNATURE_ALGORITHMS:
                return _names(body[position + 6 : position + 4 + length])
            position += 4 + length
    return ()


@lru_cache(maxsize=256)
def _names(pairs: bytes) -> tuple[str, ...]:
    return tuple(signature_algorithm_name(code) for (code,) in struct.iter_unpack("!H", pairs))
