"""`hand_over`: what a backend's team needs to trust a client certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.errors import InvalidInput
from certificates.lookup import find_certificate
from certificates.management.rotating import RotationCommand, version_or_staged
from certificates.models import VersionStatus
from certificates.services.handing_over import hand_over


class Command(RotationCommand):
    """Prints the pack as text, or writes it as a zip."""

    help = (
        "Make the hand-over pack of a client certificate: public chain, fingerprints, lines for servers. Never a key."
    )
    examples = """
        manage.py hand_over acme/bank
        manage.py hand_over acme/bank --version staged --output acme-bank.zip
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        parser.add_argument(
            "--version",
            metavar="N|staged",
            dest="which",
            type=version_or_staged,
            help="the staged version or one by its number, instead of the active one",
        )
        parser.add_argument(
            "--output", metavar="FILE", type=Path, help="write a zip with all files instead of the text"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        _, pack = hand_over(actor=actor, certificate=certificate, which=options["which"] or VersionStatus.ACTIVE)
        if pack.missing:
            self.say(f"! {pack.missing}")
        if options["output"] is None:
            self.show(pack.text)
            return
        try:
            options["output"].write_bytes(pack.zipped())
        except OSError as error:
            raise InvalidInput(f"{options['output']} cannot be written: {error.strerror}.", field="output") from error
        self.say(f"The pack of {pack.title} is in {options['output']}.")
