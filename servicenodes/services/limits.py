"""How often connections may be tested: the test button must not become a port scanner."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from servicenodes.errors import TooManyTests
from servicenodes.models import ConnectionTest

WINDOW = timedelta(minutes=1)
TESTS_PER_USER = 30  # in a window
TESTS_PER_TARGET = 30  # in a window, by whomever


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
            wait_s = max(1, math.ceil((times[-1] + WINDOW - now).total_seconds()))
            text = f"{whom} {limit} tests within a minute. Try again in {wait_s} seconds."
            raise TooManyTests(text, retry_after_s=wait_s)
