"""Make an API token. Its text is printed once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.bots.roles import TOKEN_PERMISSIONS
from botplatform.bots.services.tokens import create_token
from botplatform.console.commands import ConsoleCommand
from botplatform.errors import NotFound


class Command(ConsoleCommand):
    """Make an API token."""

    help = "Make an API token for the HTTP API. Its text goes to stdout and can never be shown again."
    examples = """
        manage.py create_token "nightly import" --user alice --bot acme --permission certificate.import
        manage.py create_token runtime --user alice --all-bots --permission node.invoke --days 30
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="which program uses it")
        parser.add_argument("--user", metavar="USERNAME", help="in whose name it acts (default: --actor)")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--bot", metavar="BOT", action="append", default=[], help="for this bot (may be repeated)")
        which.add_argument("--all-bots", action="store_true", help="for all bots that the user sees, and the platform")
        parser.add_argument(
            "--permission",
            metavar="PERMISSION",
            action="append",
            required=True,
            help=f"may be repeated: {', '.join(sorted(TOKEN_PERMISSIONS))}",
        )
        parser.add_argument("--days", type=int, default=90, help="until it expires, at most 366 (default: 90)")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor, owner, slugs = self.actor(options), _user(options["user"]), options["bot"]
        creator = owner or actor.user
        bots = list(Bot.objects.visible_to(creator).filter(slug__in=slugs)) if creator else []
        if creator and (missing := sorted(set(slugs) - {bot.slug for bot in bots})):
            raise NotFound(f"There is no bot “{missing[0]}”.")
        token, text = create_token(
            actor=actor,
            owner=owner,
            name=options["name"],
            permissions=options["permission"],
            bots=bots,
            all_bots=options["all_bots"],
            expires_at=timezone.now() + timedelta(days=min(max(options["days"], 0), 10_000)),
        )
        if options["json"]:
            self.print_json({"token": text, "prefix": token.prefix, "expires_at": token.expires_at.isoformat()})
        else:
            self.show(text)
            self.say(
                f"It expires on {token.expires_at:%Y-%m-%d}. Keep it where secrets are kept: it is not shown again."
            )


def _user(username: str | None) -> User | None:
    if username is None:
        return None
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"There is no user called “{username}”.")
    return user
