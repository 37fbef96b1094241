"""`attach_certificate`: which certificate nodes present."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from certificates.lookup import find_certificate
from servicenodes.lookup import find_node
from servicenodes.services.attaching import attach_certificate


class Command(ConsoleCommand):
    """Attaches to all the nodes or to none."""

    help = "Attach a client certificate to service nodes. It stays attached when it is renewed."
    examples = "manage.py attach_certificate acme/bank acme/get-balance acme/pay"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        parser.add_argument("nodes", metavar="NODE", nargs="+", help="bot-slug/node-slug")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        nodes = [find_node(actor, path) for path in options["nodes"]]
        changed = {node.path for node in attach_certificate(actor=actor, certificate=certificate, nodes=nodes)}
        if options["json"]:
            self.print_json({"certificate": certificate.path, "changed": sorted(changed)})
            return
        for node in nodes:
            done = "attached" if node.path in changed else "was attached already"
            self.show(f"“{node.path}”: “{certificate.path}” {done}.")
