"""What a call brought, for people and programs: the document of the contract, and bodies that are safe to show."""

from __future__ import annotations

import base64
import re
import unicodedata
from typing import Any

from servicenodes.errors import CallRefused
from servicenodes.services.invoking import InvokeOutcome
from servicenodes.tls.invoke import CallFailed

# What concerns the connection, or lets its reader act as us.
WITHHELD = frozenset(
    {"set-cookie", "set-cookie2", "connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "te"}
)
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.-]+)", re.IGNORECASE)
_TEXT_CODECS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16"})
_LINES = frozenset("\t\n\r")


def shown_headers(outcome: InvokeOutcome) -> dict[str, str]:
    """The headers of the answer by lower-case name, without those of the connection and without cookies."""
    shown: dict[str, str] = {}
    for name, value in outcome.headers:
        key = name.lower()
        if key not in WITHHELD and not key.startswith("proxy-"):
            shown[key] = f"{shown[key]}, {value}" if key in shown else value
    return shown


def body_text(outcome: InvokeOutcome) -> str | None:
    """The body as text, or None if it is none: not in its character set, or with control characters."""
    match = _CHARSET.search(shown_headers(outcome).get("content-type", ""))
    codec = match[1].lower() if match else "utf-8"
    body = outcome.body
    try:
        text = body.decode(codec if codec in _TEXT_CODECS else "utf-8")
    except UnicodeDecodeError as error:
        cut = outcome.truncated and codec == "utf-8" and error.start >= len(body) - 4
        if not cut:
            return None
        text = body[: error.start].decode()
    return None if any(unicodedata.category(char) == "Cc" and char not in _LINES for char in text) else text


def answer_as_json(outcome: InvokeOutcome) -> dict[str, Any]:
    """The document of the contract. `body_encoding` is `text` or `base64`."""
    text = body_text(outcome)
    return {
        "status": outcome.status,
        "headers": shown_headers(outcome),
        "body": base64.b64encode(outcome.body).decode("ascii") if text is None else text,
        "body_encoding": "base64" if text is None else "text",
        "truncated": outcome.truncated,
        "location": outcome.location,
        "timing_ms": {name: round(ms, 2) for name, ms in outcome.timing_ms.items()},
        "reused": outcome.reused,
        "client_certificate": {
            "certificate": outcome.certificate,
            "version": outcome.version,
            "sha256": outcome.sha256,
            "source": outcome.rule if outcome.certificate else None,
            "fell_back_from": outcome.fell_back_from,
        },
    }


def failure_as_json(error: CallRefused | CallFailed) -> dict[str, Any]:
    """The same for a call that brought no answer. `made`: a connection was tried; `request_sent`: a byte was sent."""
    if isinstance(error, CallRefused):
        chosen = {"certificate": error.certificate, "source": error.rule}
        return {"made": False, "code": error.code, "text": error.text, "advice": list(error.advice), **chosen}
    return {
        "made": True,
        "code": error.code,
        "text": error.text,
        "verdict": error.verdict.value,
        "reason": error.reason,
        "certainty": error.certainty.value,
        "layer": error.layer.value,
        "advice": list(error.advice),
        "request_sent": error.request_sent,
        "client_certificate": error.client_certificate,
    }
