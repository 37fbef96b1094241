"""`rollback_version`: present again what was presented before the last promotion."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand
from certificates.services.rotation import roll_back


class Command(RotationCommand):
    """Repeated, it goes further back."""

    help = "Undo the last promotion of a client certificate: the version that was active before becomes active again."
    examples = "manage.py rollback_version acme/bank"

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_certificate(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        self.tell(options, roll_back(actor=actor, certificate=certificate))
