"""A worker that is killed at one task: before it has claimed the test, or at the first step of it.

python -m tests.servicenodes.services.worker_until_killed before|during
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import django


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


if __name__ == "__main__":
    django.setup()
    from botplatform.jobs.worker import Worker
    from servicenodes.services import recording

    if sys.argv[1] == "before":
        setattr(recording, "claim", die)  # noqa: B010
    else:
        setattr(recording.StepRecorder, "__call__", die)  # noqa: B010
    Worker(concurrency=1).run()
