"""Duties for the tests, named by path as the settings do."""

from __future__ import annotations

import threading
from collections import Counter

done: Counter[str] = Counter()
hold = threading.Event()


def count() -> int:
    """Notes that it was done."""
    done["count"] += 1
    return 3


def fail() -> int:
    """Goes wrong in a way nobody foresaw."""
    raise LookupError("not there")


def wait() -> int:
    """Ends when the test lets it."""
    done["wait"] += 1
    hold.wait(20)
    return 1
