"""`sweep`: do the periodic work that is due, once."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, ExitOne
from botplatform.jobs.duties import DutyRunner


class Command(ConsoleCommand):
    """Parses, runs what is due, prints."""

    help = (
        "Do the periodic work that is due now and end; exit code 1 when some of it failed. A running worker does the "
        "same by itself: this is for installations that let cron do it, and for looking."
    )
    quiet_logs = False
    works_in_threads = True
    examples = """
        manage.py sweep
        manage.py sweep --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        runner = DutyRunner()
        begun = runner.start_due()
        runner.close()
        rows = [_row(name, future) for name, future in begun.items()]
        if options["json"]:
            self.print_json({"duties": rows})
        for row in [] if options["json"] else rows:
            self.show(f"{row['duty']}: {row['done'] if row['error'] is None else 'failed, ' + row['error']}")
        if not rows:
            self.say("Nothing is due.")
        if any(row["error"] for row in rows):
            raise ExitOne("Some of it failed; the log says why. It comes round again.")


def _row(name: str, future: Future[int]) -> dict[str, Any]:
    failure = future.exception()
    if failure is not None:
        return {"duty": name, "done": None, "error": type(failure).__name__}
    return {"duty": name, "done": future.result(), "error": None}
