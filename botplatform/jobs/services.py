"""Rows of the queue: workers are told of domain rows, which hold the truth; what has ended is forgotten."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django_tasks.base import Task
from django_tasks_db.models import DBTaskResult, DBTaskResultQuerySet, get_date_max

KEPT_FOR = timedelta(days=1)
BEGUN_WITHIN = timedelta(minutes=1)  # a worker that took a hint claims the domain row by then, or has died
AGAIN = ("status", "priority", "enqueued_at", "started_at", "finished_at")


def tell_workers(task: Task[Any, Any], keys: Iterable[uuid.UUID], *, priority: int = 0) -> None:
    """Queue the task once for each domain row, in few statements. Call it in the transaction that writes the rows.

    A hint has the key of its row: the same row is never queued twice, and a hint that was lost can be missed. Said
    again, it is queued anew; `worker_ids` goes on telling how often it was taken.
    """
    hints: list[DBTaskResult[Any, Any]] = [
        DBTaskResult(
            id=key,
            args_kwargs={"args": [str(key)], "kwargs": {}},
            priority=priority,
            task_path=task.module_path,
            queue_name=task.queue_name,
            backend_name=task.backend,
            run_after=get_date_max(),  # as the library has it for “at once”
        )
        for key in keys
    ]
    DBTaskResult.objects.bulk_create(hints, update_conflicts=True, unique_fields=["id"], update_fields=AGAIN)


def hints_on_the_way() -> DBTaskResultQuerySet:
    """Those of which a worker will still hear, or has just heard."""
    begun = Q(status="RUNNING", started_at__gt=timezone.now() - BEGUN_WITHIN)
    return DBTaskResult.objects.filter(Q(status="READY") | begun)


def times_taken(keys: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """How often workers took the hint of each domain row, as far as it is remembered."""
    rows = DBTaskResult.objects.filter(pk__in=list(keys)).values_list("pk", "worker_ids")
    return {key: len(workers) for key, workers in rows}


def forget_ended_tasks() -> int:
    """Delete what ended more than a day ago, and what a killed worker left as running for that long."""
    before = timezone.now() - KEPT_FOR
    ended, _ = DBTaskResult.objects.finished().filter(finished_at__lt=before).delete()
    abandoned, _ = DBTaskResult.objects.running().filter(started_at__lt=before).delete()
    return int(ended + abandoned)
