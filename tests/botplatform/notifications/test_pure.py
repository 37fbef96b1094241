"""Signatures against the published test vector, and the pauses between attempts."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

from botplatform.notifications.retrying import PAUSES, pause_after
from botplatform.notifications.signing import headers, new_secret, signature


def test_the_signature_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks share."""
    made = signature(
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_headers_carry_what_a_receiver_checks() -> None:
    secret = new_secret()
    found = dict(headers(secret=secret, message_id="id", timestamp=7, body=b"{}"))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, b"id.7.{}", hashlib.sha256).digest()).decode()
    assert (len(key), found["webhook-id"], found["webhook-timestamp"]) == (32, "id", "7")
    assert found["webhook-signature"] == f"v1,{expected}"


def test_pauses_grow_and_end() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, len(PAUSES) + 2)]
    assert pauses[-1] is None
    assert sorted(PAUSES) == list(PAUSES)
    assert timedelta(days=1) < sum(PAUSES, timedelta()) < timedelta(days=2)
