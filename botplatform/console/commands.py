"""The base of all management commands: who acts, exit codes, JSON, passphrases.

Exit codes: 0 done or yes, 1 the answer is no, 2 could not run, 130 interrupted by Ctrl-C. Data goes to stdout,
messages go to stderr.
"""

from __future__ import annotations

import getpass
import json
import logging
import sys
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    SystemCheckError,
)
from django.db.utils import IntegrityError, OperationalError, ProgrammingError

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.database import unusable
from botplatform.errors import DomainError, InvalidInput, NotFound
from botplatform.sealing import overtaken
from botplatform.text import printable

INTERRUPTED = 130  # as a shell has it
PASSPHRASE_MAX_BYTES = 4096  # longer is somebody's key file, not a passphrase


class ExitOne(Exception):
    """The answer is no: exit code 1. `text`, when given, goes to stderr."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


class _HelpFormatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Django's order of options, examples with their line breaks, and a usage of one line: no option one may omit."""

    def add_usage(
        self, usage: str | None, actions: Iterable[Action], groups: Iterable[Any], prefix: str | None = None
    ) -> None:
        needed = {action for group in groups if group.required for action in group._group_actions}
        shown = [action for action in actions if action.required or not action.option_strings or action in needed]
        self._prog = f"{self._prog} [options]"
        super().add_usage(usage, shown, groups, prefix)


class RefusedPassphrase(Action):
    """What people try first; the list of processes and the shell's history would hold it."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> NoReturn:
        parser.error("A passphrase is never an argument: use --passphrase-file or --passphrase-stdin.")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The `type` of an option that takes a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text[:20]) <= most:
            return int(text)
        raise ArgumentTypeError(f"a whole number from {least} to {most}, not “{text}”")

    return parse


class ConsoleCommand(BaseCommand):
    """A command parses, calls one service and prints.

    Subclasses set `help` and `examples`, override `add_arguments` (no need to call the parent's) and `handle`.
    A `DomainError` ends with its sentence and exit code 2; `raise ExitOne` ends with 1.
    """

    examples = ""
    quiet_logs = True  # a command speaks for itself; long-running ones log like the console does
    works_in_threads = False  # those that do keep the pool of database connections

    def run_from_argv(self, argv: list[str]) -> None:
        if self.quiet_logs:
            logging.getLogger().setLevel(logging.WARNING)
        super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", _HelpFormatter)
        if self.examples:
            lines = (line.strip() for line in self.examples.strip().splitlines())
            kwargs.setdefault("epilog", "Examples:\n" + "\n".join(f"  {line}" for line in lines))
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument(
            "--actor",
            metavar="USERNAME",
            help="who acts, with their permissions (default: the operating system's user)",
        )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run, and turn expected failures into the exit codes of the contract."""
        try:
            return super().execute(*args, **options)
        except ExitOne as answer:
            if answer.text:
                self.say(answer.text)
            sys.exit(1)
        except KeyboardInterrupt:
            self.say("Interrupted.")
            sys.exit(INTERRUPTED)
        except DomainError as error:
            raise CommandError(printable(error.text), returncode=2) from error
        except SystemCheckError as error:  # speaks for itself, in several lines
            raise SystemCheckError(str(error), returncode=2) from error
        except CommandError as error:
            raise CommandError(str(error), returncode=2) from error
        except IntegrityError as error:
            if conflict := overtaken(error):
                raise CommandError(conflict.text, returncode=2) from error
            raise
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(unusable(error), returncode=2) from error

    # --- Who acts ---------------------------------------------------------------------------------------------------

    def actor(self, options: Mapping[str, Any]) -> Actor:
        """The user of `--actor`, else the operating system's user. Raises `NotFound`."""
        username = options.get("actor")
        if not username:
            return Actor.operating_system()
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise NotFound(f"There is no active user called “{username}”.")
        return Actor.of(user)

    # --- Output -----------------------------------------------------------------------------------------------------

    def show(self, text: str = "") -> None:
        """One or more lines of data to stdout; control characters of foreign names are shown, not obeyed."""
        self.stdout.write(printable(text))

    def say(self, text: str) -> None:
        """A message or progress for people, to stderr."""
        self.stderr.write(printable(text), self.style.NOTICE)

    def print_json(self, document: Mapping[str, Any] | Sequence[Any]) -> None:
        """The one JSON document of `--json`. Only ASCII leaves, so no name can steer the terminal."""
        self.stdout.write(json.dumps(document, indent=2))

    def print_json_line(self, document: Mapping[str, Any]) -> None:
        """One JSON object on one line, for commands that print many."""
        self.stdout.write(json.dumps(document))
        self.stdout.flush()

    def add_json_argument(self, parser: CommandParser) -> None:
        """Offer `--json` (`options["json"]`)."""
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout and nothing else")

    # --- Passphrases: never an argument -----------------------------------------------------------------------------

    def add_passphrase_arguments(self, parser: CommandParser) -> None:
        """Offer `--passphrase-file` and `--passphrase-stdin`."""
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--passphrase-file", metavar="PATH", type=Path, help="file that holds the passphrase")
        group.add_argument("--passphrase-stdin", action="store_true", help="read the passphrase from standard input")
        parser.add_argument("--passphrase", "--password", nargs="?", action=RefusedPassphrase, help=SUPPRESS)

    def read_passphrase(self, options: Mapping[str, Any]) -> bytes | None:
        """What the options name, without its line end; None when no option was given. Raises `InvalidInput`."""
        if path := options.get("passphrase_file"):
            return read_secret_file(path, what="passphrase")
        if options.get("passphrase_stdin"):
            return read_secret_stdin(what="passphrase")
        return None

    def ask_passphrase(self, prompt: str = "Passphrase: ") -> bytes | None:
        """Ask without echo when there is a terminal, else None. Call it when a file turns out to need one."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        return getpass.getpass(prompt, stream=sys.stderr).encode()


def read_secret_file(path: Path, *, what: str) -> bytes:
    """A passphrase or the like, without its line end. Raises `InvalidInput`."""
    try:
        with path.open("rb") as file:
            return _one_line(file.read(PASSPHRASE_MAX_BYTES + 1), what)
    except OSError as error:
        text = f"The {what} file {path} cannot be read: {error.strerror}."
        raise InvalidInput(text, field=f"{what}_file") from error


def read_secret_stdin(*, what: str) -> bytes:
    """The same from standard input."""
    return _one_line(sys.stdin.buffer.read(PASSPHRASE_MAX_BYTES + 1), what)


def _one_line(raw: bytes, what: str) -> bytes:
    if len(raw) > PASSPHRASE_MAX_BYTES:
        raise InvalidInput(f"A {what} is at most {PASSPHRASE_MAX_BYTES} bytes long.", field=what)
    for line_end in (b"\r\n", b"\n"):
        if raw.endswith(line_end):
            return raw.removesuffix(line_end)
    return raw
