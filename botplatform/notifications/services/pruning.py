"""What is older than KEEP_DAYS is removed, a little at a time. Duties; the audit trail never is."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.keeping import kept_since
from botplatform.notifications.models import SETTLED, Delivery, Reminder
from botplatform.notifications.reminders import LONG_AGO

BATCH = 500
BUDGET_S = 60.0  # a run ends after this, well within the lease of its duty; the next one goes on


def prune_notifications() -> int:
    """Remove old deliveries that are settled, and reminders of what ended so long ago that none is sent."""
    now = timezone.now()
    deliveries = Delivery.objects.filter(created_at__lt=kept_since(now), state__in=SETTLED)
    last_end = min(kept_since(now), now - LONG_AGO - timedelta(days=1))  # before it a reminder would be sent again
    reminders = Reminder.objects.filter(ends_at__lt=last_end)
    return prune(deliveries, by="created_at", what="deliveries") + prune(reminders, by="ends_at", what="reminders")


def prune(rows: QuerySet[Any], *, by: str, what: str) -> int:
    """Delete the rows in the order of the indexed column `by`, batch by batch, each on record. Returns how many."""
    until, removed = time.monotonic() + BUDGET_S, 0
    rows = rows.order_by(by)
    while time.monotonic() < until and (found := list(rows.values_list("pk", by)[:BATCH])):
        removed += _remove(rows.filter(pk__in=[key for key, _ in found]), what)
        rows = rows.filter(**{f"{by}__gte": found[-1][1]})  # what stays before it is not read again
    return removed


@transaction.atomic
def _remove(rows: QuerySet[Any], what: str) -> int:
    """Only what is still to be removed: somebody may just have sent it again."""
    removed, _ = rows.delete()
    if removed:
        trail.record(
            actor=Actor.platform(),
            action=Action.HISTORY_REMOVED,
            object_type="history",
            object_id="",
            object_name=what,
            bot=None,
            facts={"removed": removed, "older_than_days": settings.KEEP_DAYS},
        )
    return int(removed)
