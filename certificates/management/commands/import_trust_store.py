"""`import_trust_store`: whom to trust when verifying servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from botplatform.errors import InvalidInput
from certificates.lookup import find_bot
from certificates.management.bundles import read_files
from certificates.services.trust_stores import import_trust_store


class Command(ConsoleCommand):
    """Adds anchors to a trust store, which it makes if there is none."""

    help = "Add the certificates in the files to a trust store of a bot, or of the platform without --bot."
    examples = """
        manage.py import_trust_store bank-roots roots.pem --bot acme
        manage.py import_trust_store company-ca ca.der
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")
        parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="PEM, DER or PKCS#7")
        parser.add_argument("--bot", metavar="BOT", help="the owner; without it, the platform")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        if "/" in options["name"]:
            raise InvalidInput("NAME is the name alone; the bot it belongs to is named by --bot.", field="name")
        result = import_trust_store(
            actor=actor,
            owner=find_bot(actor, options["bot"]) if options["bot"] else None,
            name=options["name"],
            files=read_files(options["files"]),
        )
        store, added = result.trust_store, [facts.subject for facts in result.added]
        anchors = store.anchors.count()
        if options["json"]:
            document = {"trust_store": store.path, "revision": store.revision, "anchors": anchors}
            self.print_json(document | {"added": added, "changed": result.changed, "warnings": result.warnings})
            return
        if result.changed:
            self.show(f"“{store.path}”: {len(added)} added, {anchors} in all.")
            for subject in added:
                self.show(f"  {subject}")
        else:
            self.show(f"“{store.path}” holds these certificates already: nothing changed.")
        for warning in result.warnings:
            self.say(f"! {warning}")
