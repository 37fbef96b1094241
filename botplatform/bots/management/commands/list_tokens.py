"""List API tokens, without what they are proved with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.bots.models import ApiToken
from botplatform.console.commands import ConsoleCommand


class Command(ConsoleCommand):
    """List API tokens."""

    help = "List the API tokens that the actor sees, newest first."
    examples = """
        manage.py list_tokens
        manage.py list_tokens --active --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--active", action="store_true", help="only those that open something now")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        tokens = ApiToken.objects.all() if actor.user is None else ApiToken.objects.visible_to(actor.user)
        rows = [_row(token) for token in tokens.select_related("created_by").prefetch_related("bots")]
        rows = [row for row in rows if row["active"] or not options["active"]]
        if options["json"]:
            self.print_json(rows)
            return
        for row in rows:
            bots = " ".join(row["bots"]) if isinstance(row["bots"], list) else "all bots"
            self.show(
                f"{row['prefix']}  {row['user']}  {_state(row)}  {bots}  {' '.join(row['permissions'])}  {row['name']}"
            )


def _state(row: dict[str, Any]) -> str:
    if row["active"]:
        return f"until {row['expires_at'][:10]}"
    if row["revoked_at"]:
        return f"revoked {row['revoked_at'][:10]}"
    return f"expired {row['expires_at'][:10]}" if row["expired"] else "its user is not active"


def _row(token: ApiToken) -> dict[str, Any]:
    return {
        "prefix": token.prefix,
        "name": token.name,
        "user": token.created_by.username,
        "active": token.is_active,
        "expired": token.is_expired,
        "bots": None if token.all_bots else sorted(bot.slug for bot in token.bots.all()),
        "permissions": token.permissions,
        "expires_at": token.expires_at.isoformat(),
        "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
    }
