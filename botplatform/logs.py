"""Logging: one line per event on standard error, as JSON or for people. Standard output belongs to data."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import Processor

from botplatform.text import printable

FORMATS = ("json", "console")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_SECRET_NAME = re.compile(r"pass(word|phrase)|secret|token|private_key|cookie|authorization", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def configure(log_format: str, level: str = "INFO") -> dict[str, Any]:
    """Route structlog through the standard library's logging; returns Django's `LOGGING`.

    `log_format` is `json` or `console`; `level` is the least that is told. Everyday events, among them the hash of
    each audit event, are INFO.
    """
    if log_format not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT is one of {', '.join(FORMATS)}.")
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,  # never the variables of the frames: they may hold keys
        hide_secrets,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Processor] = [structlog.processors.JSONRenderer()]
    if log_format != "json":
        last = [_escape_controls, structlog.dev.ConsoleRenderer(colors=False)]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": before,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Django's own handlers would print twice, and mail a report of each error.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
    }


def hide_secrets(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A net under careless code: secrets by name, PEM keys inside texts, and all raw bytes."""
    for key, value in event.items():
        if _SECRET_NAME.search(key):
            event[key] = "<hidden>"
        elif isinstance(value, str):
            event[key] = _PRIVATE_KEY.sub("<private key>", value)
        elif isinstance(value, bytes | bytearray | memoryview):
            event[key] = f"<{len(value)} bytes>"
    return event


def _escape_controls(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A foreign name must not write a second line or steer the terminal; a traceback keeps its lines."""
    escaped: dict[str, Any] = {}
    for key, value in event.items():
        text = printable(value if isinstance(value, str) else repr(value))
        escaped[_one_line(key)] = text if key == "exception" else _one_line(text)
    return escaped


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")
