"""`create_bot`: make a bot."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.bots.services.bots import create_bot
from botplatform.console.commands import ConsoleCommand


class Command(ConsoleCommand):
    """Parses, calls `create_bot`, prints the slug."""

    help = "Create a bot."
    examples = """
        manage.py create_bot acme
        manage.py create_bot acme --name "Acme assistant"
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="lower-case letters, digits and single hyphens")
        parser.add_argument("--name", default="", metavar="TEXT", help="what people read (default: the slug)")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        bot = create_bot(actor=self.actor(options), slug=options["slug"], name=options["name"])
        if options["json"]:
            self.print_json({"bot": bot.slug, "name": bot.name})
        else:
            self.show(f"Created the bot {bot.slug} ({bot.name}).")
