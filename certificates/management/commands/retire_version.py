"""`retire_version`: stage or present a version no longer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand
from certificates.services.rotation import retire


class Command(RotationCommand):
    """The emergency brake for a stolen key, with --force."""

    help = "Retire a staged or active version. Its key stays, so it can be promoted again; no rollback leads to it."
    examples = """
        manage.py retire_version acme/bank --version 4
        manage.py retire_version acme/bank --version 3 --force
    """

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_certificate(parser)
        self.add_version(parser, required=True, help="which one")
        parser.add_argument(
            "--force",
            action="store_true",
            help="even if it is active and in use: its nodes then present nothing; it is recorded",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        force = options["force"]
        self.tell(options, retire(actor=actor, certificate=certificate, number=options["number"], force=force))
