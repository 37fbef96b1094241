"""`destroy_version`: delete a version's private key for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand
from certificates.services.rotation import destroy


class Command(RotationCommand):
    """The facts of the certificate stay, and so does the audit trail."""

    help = "Delete the private key of a retired version for good. It cannot be undone."
    examples = "manage.py destroy_version acme/bank --version 1"

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_certificate(parser)
        self.add_version(parser, required=True, help="which one")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        self.tell(options, destroy(actor=actor, certificate=certificate, number=options["number"]))
