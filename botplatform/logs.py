"""Logging: one line per event on standard error, as JSON or for people. Standard output belongs to data."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from botplatform.text import printable


def configure(log_format: str) -> dict[str, Any]:
    """Route structlog through the standard library's logging; returns Django's `LOGGING`.

    `log_format` is `json` or `console`.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
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
        "root": {"handlers": ["stderr"], "level": "INFO"},
        # Django's own handlers would print twice, and mail a report of each error.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("django", "django.server")},
    }


def _escape_controls(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A foreign name must not write a second line or steer the terminal; a traceback keeps its lines."""
    for key, value in event.items():
        if isinstance(value, str):
            text = printable(value)
            event[key] = text if key == "exception" else text.replace("\n", "\\n")
    return event
