"""End an API token for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.bots.models import ApiToken
from botplatform.bots.services.tokens import MARK, revoke_token
from botplatform.console.commands import ConsoleCommand
from botplatform.errors import NotFound


class Command(ConsoleCommand):
    """End an API token for good."""

    help = "Revoke an API token. It is named by its prefix, which list_tokens shows; never pass the whole token."
    examples = """
        manage.py revoke_token k3v9x0a1bc
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", metavar="PREFIX", help="what stands between bpt_ and the next _")

    def handle(self, *args: Any, **options: Any) -> None:
        prefix = options["prefix"].removeprefix(f"{MARK}_")
        actor = self.actor(options)
        tokens = ApiToken.objects.all() if actor.user is None else ApiToken.objects.visible_to(actor.user)
        token = tokens.select_related("created_by").filter(prefix=prefix).first()
        if token is None:
            raise NotFound("There is no token with this prefix.")
        revoke_token(actor=actor, token=token)
        self.say(f"The token “{token.name}” opens nothing any more.")
