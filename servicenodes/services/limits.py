"""How often people may test connections and try calls: no button must become a port scanner or a load generator."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.actions import Action
from botplatform.audit.models import AuditEvent
from servicenodes.errors import TooManyCalls, TooManyTests
from servicenodes.models import ConnectionTest

WINDOW = timedelta(minutes=1)
TESTS_PER_USER = 30  # in a window
TESTS_PER_TARGET = 30  # in a window, by whomever
CALLS_PER_USER = 30  # tried in a window
LOOKED_AT = 1000  # the calls tried last, by whomever


def check_limits(actor: Actor, target: str, now: datetime) -> None:
    """Let a user's test of `target` (host:port) pass or raise `TooManyTests`.

    Call it in the transaction that stores the test. Who may run `manage.py` is not limited: they can call any
    address without us.
    """
    if actor.user is None:  # a token counts as its creator: more tokens do not allow more tests
        return
    User.objects.select_for_update(no_key=True).get(pk=actor.user.pk)  # one test of a user after the other
    recent = ConnectionTest.objects.filter(requested_at__gt=now - WINDOW, side="")  # those of a proof are one act
    for tests, limit, whom in (
        (recent.filter(user=actor.user), TESTS_PER_USER, "You have started"),
        (recent.filter(target=target), TESTS_PER_TARGET, f"{target} has seen"),
    ):
        times = list(tests.order_by("-requested_at").values_list("requested_at", flat=True)[:limit])
        if len(times) == limit:
            wait_s = _wait_s(times[-1], now)
            text = f"{whom} {limit} tests within a minute. Try again in {wait_s} seconds."
            raise TooManyTests(text, retry_after_s=wait_s)


def check_calls(actor: Actor, now: datetime) -> None:
    """Let a person's try of a call pass or raise `TooManyCalls`. Call it in the transaction that puts it on record."""
    if actor.user is None:
        return
    User.objects.select_for_update(no_key=True).get(pk=actor.user.pk)
    tried = AuditEvent.objects.filter(action=Action.CALL_REQUESTED).order_by("-position")
    recent = tried.values_list("actor_id", "at")[:LOOKED_AT]
    times = [at for who, at in recent if who == actor.user.pk and at > now - WINDOW]
    if len(times) >= CALLS_PER_USER:
        wait_s = _wait_s(times[CALLS_PER_USER - 1], now)
        text = f"You have tried {CALLS_PER_USER} calls within a minute. Try again in {wait_s} seconds."
        raise TooManyCalls(text, retry_after_s=wait_s)


def _wait_s(oldest: datetime, now: datetime) -> int:
    return max(1, math.ceil((oldest + WINDOW - now).total_seconds()))
