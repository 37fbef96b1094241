"""When a delivery that failed is tried again, and when it is given up. Pure."""

from __future__ import annotations

from datetime import timedelta

# After the first failure, the second, … Together a day and a half: a mail server's long weekend is not bridged, a
# night is. What is given up stays visible and can be sent again by hand.
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=18),
)


def pause_after(attempt: int) -> timedelta | None:
    """How long to wait after the `attempt`-th one (1 is the first) failed; None: give up."""
    return PAUSES[attempt - 1] if attempt <= len(PAUSES) else None
