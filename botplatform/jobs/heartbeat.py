"""Is anybody working? The console asks before it promises that a test will start."""

from __future__ import annotations

from datetime import datetime, timedelta

from botplatform.jobs.models import WorkerHeartbeat

BEAT_S = 5.0
STALE_AFTER = timedelta(seconds=20)  # three missed beats and a little patience


def worker_alive(now: datetime) -> bool:
    """Whether some worker gave a sign of life shortly before `now` (aware UTC). One query."""
    return WorkerHeartbeat.objects.filter(beat_at__gt=now - STALE_AFTER).exists()
