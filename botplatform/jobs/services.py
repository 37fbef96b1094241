"""Forgets rows of the queue whose task has ended: the domain rows hold what came of it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks_db.models import DBTaskResult

KEPT_FOR = timedelta(days=1)


def forget_ended_tasks() -> int:
    """Delete what ended more than a day ago, and what a killed worker left as running for that long."""
    before = timezone.now() - KEPT_FOR
    ended, _ = DBTaskResult.objects.finished().filter(finished_at__lt=before).delete()
    abandoned, _ = DBTaskResult.objects.running().filter(started_at__lt=before).delete()
    return int(ended + abandoned)
