"""The one place that catches what nobody foresaw. For work that nobody waits for: it goes on, and people are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from botplatform.errors import DomainError

log = structlog.get_logger(__name__)


class Crashed(DomainError):
    """An error of the console itself. The sentence names its kind only; the log has the details."""

    code = "crashed"


@contextmanager
def crashes_told(what: str, **where: object) -> Iterator[None]:
    """Log what nobody foresaw with `where`, and raise `Crashed` instead. `what` begins the sentence: “The renewal”."""
    try:
        yield
    except DomainError:
        raise
    except Exception as crash:
        log.exception("crashed", what=what, **where)
        text = f"{what} stopped at an error of the console itself ({type(crash).__name__}); its log has the details."
        raise Crashed(text) from crash
