"""Delivers the outbox. A duty: it may be killed at any point.

A row is claimed before it is sent: `sending`, until a lease runs out. Whoever is killed before the peer has accepted
leaves a row that is sent when the lease has run out: nothing is lost, and nothing was sent. Between the peer's
acceptance and our commit nobody can tell; such a row is sent again under the *same* id, and the receiver drops the
repetition by it. So by id everything arrives exactly once.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

import structlog
from django.db.models import F
from django.utils import timezone

from botplatform.crashes import Crashed, crashes_told
from botplatform.notifications.channels import Undelivered, send
from botplatform.notifications.models import Delivery, DeliveryState
from botplatform.notifications.retrying import pause_after
from botplatform.notifications.services.outbox import has_left

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=3)  # more than a mail server or a receiver may take
BUDGET_S = 60.0  # a run ends after this, well within the lease of its duty
BATCH = 100


def deliver_due() -> int:
    """Send what is due, one after another. Returns how many were accepted."""
    until = time.monotonic() + BUDGET_S
    accepted, silent = 0, set[str]()  # recipients that failed wait for the next run: others are not held up
    while rows := _next(silent):
        for key, recipient in rows:
            if time.monotonic() > until:
                return accepted
            delivery = None if recipient in silent else _claim(key)
            if delivery is None or _left(delivery):
                continue
            if _deliver(delivery):
                accepted += 1
            else:
                silent.add(recipient)
    return accepted


def _next(silent: set[str]) -> list[tuple[uuid.UUID, str]]:
    due = Delivery.objects.due(timezone.now()).exclude(recipient__in=silent)
    return list(due.values_list("pk", "recipient")[:BATCH])


def _claim(key: uuid.UUID) -> Delivery | None:
    """The delivery, now ours; None when somebody else has it."""
    now = timezone.now()
    ours = Delivery.objects.due(now).filter(pk=key).order_by()
    if not ours.update(state=DeliveryState.SENDING, due_at=now + LEASE, attempt=F("attempt") + 1):
        return None
    return Delivery.objects.select_related("bot", "endpoint").get(pk=key)


def _left(delivery: Delivery) -> bool:
    """Whether its recipient has left since it was posted; it is settled then."""
    if not has_left(delivery):
        return False
    note = "This address belongs to nobody any more who is told of it."
    _settle(delivery, state=DeliveryState.NOT_TOLD, note=note)
    return True


def _deliver(delivery: Delivery) -> bool:
    try:
        with crashes_told("The delivery", delivery=str(delivery.pk)):
            note = send(delivery)
    except (Undelivered, Crashed) as failure:
        _put_back(delivery, failure)
        return False
    _settle(delivery, state=DeliveryState.SENT, sent_at=timezone.now(), note=note[:300])
    return True


def _put_back(delivery: Delivery, failure: Undelivered | Crashed) -> None:
    """Try again later, or give up where everybody can see it."""
    final = isinstance(failure, Undelivered) and failure.final
    pause = None if final else pause_after(delivery.attempt)
    if pause is None:
        log.error("delivery_given_up", delivery=str(delivery.pk), channel=delivery.channel, reason=failure.text)
        _settle(delivery, state=DeliveryState.FAILED, note=failure.text[:300])
    else:
        _settle(delivery, state=DeliveryState.WAITING, due_at=timezone.now() + pause, note=failure.text[:300])


def _settle(delivery: Delivery, **values: object) -> None:
    """Only while the lease is ours: who was too slow does not overwrite what a later attempt says."""
    Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.SENDING, attempt=delivery.attempt).update(**values)
