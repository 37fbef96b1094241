"""Tasks for the worker tests; they run in a real worker process, and leave marks in files."""

from __future__ import annotations

import time
from pathlib import Path

from django_tasks import task


@task()
def mark(path: str, sleep_s: float = 0.0) -> None:
    """Write “begun” beside `path`, take some time, then write `path`."""
    Path(f"{path}.begun").touch()
    time.sleep(sleep_s)
    Path(path).touch()


@task()
def fail() -> None:
    """Fail in a way nobody expected."""
    raise RuntimeError("this task fails on purpose")
