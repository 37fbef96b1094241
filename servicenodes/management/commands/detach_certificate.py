"""`detach_certificate`: leave nodes to their defaults."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from servicenodes.effective import effective_certificates
from servicenodes.lookup import find_node
from servicenodes.services.attaching import detach_certificate


class Command(ConsoleCommand):
    """Detaches from all the nodes or from none, and says what they present from now on."""

    help = "Detach client certificates from service nodes, which then present their bot's or the platform's default."
    examples = "manage.py detach_certificate acme/get-balance"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("nodes", metavar="NODE", nargs="+", help="bot-slug/node-slug")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        nodes = [find_node(actor, path) for path in options["nodes"]]
        changed = {node.path for node in detach_certificate(actor=actor, nodes=nodes)}
        if options["json"]:
            self.print_json({"changed": sorted(changed)})
            return
        fresh = [find_node(actor, path) for path in options["nodes"]]
        effective = effective_certificates(fresh)
        for node in fresh:
            done = "detached" if node.path in changed else "nothing was attached"
            now = effective[node.pk].certificate
            self.show(f"“{node.path}”: {done}; it presents {f'“{now.path}”' if now else 'no certificate'}.")
