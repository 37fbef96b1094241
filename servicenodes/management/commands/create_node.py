"""`create_node`: one more service node."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand
from certificates.lookup import find_bot, find_certificate, find_trust_store
from servicenodes.lookup import split_node_path
from servicenodes.models import TLSVersion
from servicenodes.services.nodes import create_node


class Command(ConsoleCommand):
    """Makes a service node of a bot."""

    help = "Create a service node."
    examples = """
        manage.py create_node acme/get-balance --url https://api.bank.example/balance
        manage.py create_node acme/pay --url https://api.bank.example/pay --method POST --certificate acme/bank
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", metavar="NODE", help="bot-slug/node-slug")
        parser.add_argument("--url", required=True, help="what it calls: https://…")
        parser.add_argument(
            "--method", metavar="M", default="GET", help="GET, POST, … or one {{variable}}; default: GET"
        )
        parser.add_argument("--name", default="", help="its name for people; default: the slug")
        parser.add_argument("--dialog", default="", help="the dialog it belongs to")
        parser.add_argument("--certificate", metavar="CERT", help="attach this one: bot-slug/name or platform/name")
        parser.add_argument("--trust-store", metavar="NAME", help="of the bot, else of the platform; default: system")
        parser.add_argument("--server-name", default="", help="verify the server by this name")
        parser.add_argument("--min-tls", default="1.2", choices=TLSVersion.values, help="default: 1.2")
        parser.add_argument("--timeout", metavar="S", type=int, help="seconds, 1 to 60; default: TEST_TIMEOUT_S")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        bot_slug, slug = split_node_path(options["node"])
        bot, store = find_bot(actor, bot_slug), options["trust_store"]
        node = create_node(
            actor=actor,
            bot=bot,
            slug=slug,
            name=options["name"] or slug,
            dialog=options["dialog"],
            method=options["method"],
            url=options["url"],
            certificate=find_certificate(actor, options["certificate"]) if options["certificate"] else None,
            trust_store=find_trust_store(actor, store, bot) if store else None,
            server_name=options["server_name"],
            min_tls=options["min_tls"],
            timeout_s=options["timeout"],
        )
        if options["json"]:
            self.print_json({"node": node.path, "url": node.url, "revision": node.revision})
        else:
            self.show(f"Created the service node “{node.path}”.")
