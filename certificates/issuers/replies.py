"""What CAs send: PEM that becomes DER without being parsed, and texts that are shown."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

from botplatform.text import printable
from certificates.issuers.port import IssuerFailed, Phase
from certificates.pki import limits

MAX_TEXT = 300
MAX_RETRY_AFTER_S = 7 * 86_400.0
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")


def chain_of(pems: Iterable[str]) -> tuple[bytes, ...]:
    """The certificates of PEM texts as DER, in their order, each once. Raises `IssuerFailed`."""
    try:
        found = [base64.b64decode("".join(body.split()), validate=True) for pem in pems for body in _BLOCK.findall(pem)]
    except binascii.Error as error:
        raise IssuerFailed(Phase.READ, "The CA’s reply is damaged: it is not valid base64.") from error
    chain = tuple(dict.fromkeys(found))
    if not chain:
        raise IssuerFailed(Phase.READ, "The CA’s reply holds no certificate.")
    if len(chain) > limits.MAX_CHAIN_CERTIFICATES:
        most = limits.MAX_CHAIN_CERTIFICATES
        raise IssuerFailed(Phase.READ, f"The CA’s reply holds more than {most} certificates.")
    return chain


def shown(text: object) -> str:
    """Foreign text in one line, without a full stop at its end."""
    return printable(" ".join(str(text).split()))[:MAX_TEXT].rstrip(".")


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds from a Retry-After header: a number or a date (RFC 9110, 10.2.3). None where it says neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        return min(max(0.0, (parsedate_to_datetime(value) - now).total_seconds()), MAX_RETRY_AFTER_S)
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
