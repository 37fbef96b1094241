"""Signatures of webhooks as Standard Webhooks 1.0 has them. Pure.

A receiver checks that `webhook-signature` is over `id.timestamp.body`, that the timestamp is recent, and that it has
not had that id before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

MARK = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A fresh secret in the spelling that receivers' libraries take."""
    return MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def signature(*, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. `timestamp` is in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(MARK))
    signed = f"{message_id}.{timestamp}.".encode("ascii") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def headers(*, secret: str, message_id: str, timestamp: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """The headers of one attempt. Its id stays the same over all attempts, so that a receiver can drop repetitions."""
    return (
        ("content-type", "application/json"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        (
            "webhook-signature",
            signature(secret=secret, message_id=message_id, timestamp=timestamp, body=body),
        ),
    )
