"""`promote_version`: present another version from the next call on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ExitOne
from botplatform.errors import Conflict
from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand
from certificates.services.rotation import promote


class Command(RotationCommand):
    """The version that was active is retired at the same moment. Exit code 1: tests speak against it."""

    help = (
        "Make the staged version of a client certificate, or another one that you name, the active version. Exit code "
        "1: it was compared with the active one on the service nodes, and not all of them accept it."
    )
    examples = """
        manage.py promote_version acme/bank
        manage.py promote_version acme/bank --version 3 --json
        manage.py promote_version acme/bank --reason "The bank adds our new CA tonight"
    """

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_certificate(parser)
        self.add_version(parser, required=False, help="this version instead of the staged one; it may be a retired one")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, where tests speak against it; recorded")
        parser.add_argument(
            "--force", action="store_true", help="even outside its validity, or against the tests; recorded"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        chosen = {name: options[name] for name in ("number", "force", "reason")}
        try:
            done = promote(actor=actor, certificate=certificate, **chosen)
        except Conflict as conflict:
            if conflict.code != "not_proven":
                raise
            raise ExitOne(f"{conflict.text} Give a --reason, or use --force.") from conflict
        if done.changed:
            self.say(done.proof)
        self.tell(options, done)
