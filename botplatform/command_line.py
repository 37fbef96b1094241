"""What `manage.py` runs: Django's commands and ours, with expected failures in one sentence and exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand
from django.db.utils import InterfaceError, OperationalError

from botplatform.database import unusable, use_no_pool
from botplatform.security import forbid_core_dumps

COULD_NOT_RUN = 2
NOBODY_READS = 141  # as a shell has it


class CommandLine(ManagementUtility):
    """Django's, which ends with 1 for a command that does not exist."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        try:
            command = super().fetch_command(subcommand)
        except SystemExit as ended:  # it has said why
            raise SystemExit(COULD_NOT_RUN) from ended
        if not getattr(command, "works_in_threads", False):
            use_no_pool()
        return command


def main(argv: Sequence[str]) -> None:
    """Run the command that `argv` names. Ends the process where it could not run."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "botplatform.settings")
    forbid_core_dumps()
    try:
        try:
            CommandLine(list(argv)).execute()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write goes nowhere
        sys.exit(NOBODY_READS)
    except ImproperlyConfigured as error:
        _give_up(argv, str(error))
    except (OperationalError, InterfaceError) as error:
        _give_up(argv, unusable(error))


def _give_up(argv: Sequence[str], text: str) -> None:
    if "--traceback" in argv:
        raise  # noqa: PLE0704 - called where an exception is handled
    sys.stderr.write(f"{text}\n")
    sys.exit(COULD_NOT_RUN)
