"""Requests that may be sent twice: the second gets the first one's answer (`Idempotency-Key`).

Only successes are kept. A refused request changed nothing, so it may be sent again with the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from botplatform.api_kit.models import KeptAnswer
from botplatform.bots.models import ApiToken
from botplatform.errors import Conflict, InvalidInput

KEPT = timedelta(hours=24)
WORKED_ON = timedelta(minutes=2)  # longer than any import takes: then the process died, and the request starts anew

Answer = tuple[int, dict[str, Any]]  # status and document


def once(*, token: ApiToken, key: str, request: Iterable[bytes], act: Callable[[], Answer]) -> tuple[Answer, bool]:
    """Do it and keep the answer, or return the kept answer of the same request. True: it was kept.

    `request` is all that makes the request what it is. Raises `InvalidInput` for a key that another request used,
    and `Conflict` while the first one is still being worked on.
    """
    fingerprint = _fingerprint(request)
    row, ours = _claim(token, key, fingerprint)
    if not ours:
        return _kept(row, fingerprint), True
    done = False
    try:
        answer = act()
        KeptAnswer.objects.filter(pk=row.pk).update(status=answer[0], document=answer[1])
        done = True
    finally:
        if not done:
            KeptAnswer.objects.filter(pk=row.pk).delete()
    return answer, False


def _fingerprint(parts: Iterable[bytes]) -> str:
    """Keyed, so that a stolen database does not let one try passphrases against it."""
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return salted_hmac("api-request", digests, algorithm="sha256").hexdigest()


@transaction.atomic
def _claim(token: ApiToken, key: str, fingerprint: str) -> tuple[KeptAnswer, bool]:
    """The row of the key, and whether this request is the one to do the work."""
    now = timezone.now()
    KeptAnswer.objects.filter(created_at__lte=now - KEPT).delete()
    KeptAnswer.objects.filter(token=token, key=key, status=None, created_at__lte=now - WORKED_ON).delete()
    row = KeptAnswer(token=token, key=key, fingerprint=fingerprint, created_at=now)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        known = KeptAnswer.objects.filter(token=token, key=key).order_by("pk").first()
        # Gone again: the first request has failed in this moment. It kept nothing, so this one may simply be repeated.
        return known or row, False
    return row, True


def _kept(row: KeptAnswer, fingerprint: str) -> Answer:
    if row.fingerprint != fingerprint:
        text = "This Idempotency-Key was used for another request. Take a new one."
        raise InvalidInput(text, field="Idempotency-Key", code="idempotency_key_reused")
    if row.status is None or row.document is None:
        text = "The first request with this Idempotency-Key is still being worked on. Ask again in a moment."
        raise Conflict(text, code="in_progress")
    return row.status, row.document
