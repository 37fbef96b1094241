"""`promote_version`: present another version from the next call on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand
from certificates.services.rotation import promote


class Command(RotationCommand):
    """The version that was active is retired at the same moment."""

    help = "Make the staged version of a client certificate, or another one that you name, the active version."
    examples = """
        manage.py promote_version acme/bank
        manage.py promote_version acme/bank --version 3 --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_certificate(parser)
        self.add_version(parser, required=False, help="this version instead of the staged one; it may be a retired one")
        parser.add_argument("--force", action="store_true", help="even outside its validity; it is recorded")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        force = options["force"]
        self.tell(options, promote(actor=actor, certificate=certificate, number=options["number"], force=force))
