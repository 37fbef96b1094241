"""What the commands share that change what a version is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, whole_number
from certificates.models import VersionStatus
from certificates.services.rotation import MOST_VERSIONS, Rotation


def version_or_staged(text: str) -> int | VersionStatus:
    """The `type` of an option that takes the number of a version, or `staged`."""
    return VersionStatus.STAGED if text == VersionStatus.STAGED else whole_number(1, MOST_VERSIONS)(text)


class RotationCommand(ConsoleCommand):
    """Names a certificate and perhaps a version, and says what has become of them."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["conflict_handler"] = "resolve"  # Django's own --version tells Django's version
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_certificate(self, parser: CommandParser) -> None:
        """`CERT`, and `--json`."""
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        self.add_json_argument(parser)

    def add_version(self, parser: CommandParser, *, required: bool, help: str) -> None:
        """`--version N`."""
        parser.add_argument(
            "--version",
            metavar="N",
            dest="number",
            type=whole_number(1, MOST_VERSIONS),
            required=required,
            help=help,
        )

    def tell(self, options: dict[str, Any], done: Rotation) -> None:
        """The outcome, for people or as one document."""
        version, path = done.version, done.certificate.path
        active = version.number if version.status == VersionStatus.ACTIVE else done.active_before
        if done.was == VersionStatus.ACTIVE != version.status:
            active = None
        if options["json"]:
            self.print_json(
                {
                    "certificate": path,
                    "version": version.number,
                    "was": str(done.was),
                    "status": str(version.status),
                    "active": active,
                    "active_before": done.active_before,
                    "changed": done.changed,
                    "proof": done.proof,
                    "same_key": list(done.same_key),
                }
            )
            return
        if not done.changed:
            self.show(f"“{path}”: version {version.number} is {version.status} already: nothing to do.")
            return
        self.show(f"“{path}”: version {version.number} was {done.was} and is {version.status}.")
        if done.same_key:
            self.say(f"! The same private key is still held by {', '.join(done.same_key)}.")
        if active is None:
            self.say("! No version is active: nothing can present this certificate.")
        elif done.active_before not in {None, active}:
            self.show(f"Version {done.active_before} is retired.")
