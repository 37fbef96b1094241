"""`worker`: background work, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from botplatform.errors import InvalidInput
from botplatform.jobs.worker import Worker

MAX_CONCURRENCY = 64


class Command(ConsoleCommand):
    """Parses, runs the worker, turns signals into a clean stop."""

    help = (
        "Do background work (connection tests, and what comes round by itself) until SIGTERM or Ctrl-C; "
        "a second signal ends it at once."
    )
    quiet_logs = False
    works_in_threads = True
    requires_system_checks = [Tags.security]  # all that settings alone can break; it serves no URL
    examples = """
        manage.py worker
        manage.py worker --concurrency 16
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, default=4, metavar="N", help="tasks at once (default: 4)")

    def handle(self, *args: Any, **options: Any) -> None:
        concurrency = options["concurrency"]
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise InvalidInput(f"The concurrency is a number from 1 to {MAX_CONCURRENCY}.", field="concurrency")
        worker = Worker(concurrency=concurrency)

        def stop(signum: int, _frame: FrameType | None) -> None:
            worker.stop()
            signal.signal(signum, signal.SIG_DFL)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        if not worker.run():
            os._exit(2)  # threads that will not end would keep the process alive
