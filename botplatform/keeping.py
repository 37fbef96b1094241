"""How long the history is kept: reports of tests, and what was told to whom. The audit trail is kept for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings


def kept_since(now: datetime) -> datetime:
    """What is older may be gone."""
    return now - timedelta(days=settings.KEEP_DAYS)
