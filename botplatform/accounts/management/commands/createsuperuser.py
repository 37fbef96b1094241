"""`createsuperuser`: replaces Django's command of the same name, which leaves no audit row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.accounts.management.passwords import ask_new_password
from botplatform.accounts.models import PlatformRole
from botplatform.accounts.services import create_user
from botplatform.console.commands import ConsoleCommand


class Command(ConsoleCommand):
    """Asks for the password, or reads one line of standard input where there is no terminal."""

    help = "Create a platform administrator. Without a terminal the password is read from standard input."
    examples = """
        manage.py createsuperuser --username anna
        manage.py createsuperuser --username anna --email anna@example.com < /run/secrets/anna_password
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", metavar="USERNAME", required=True)
        parser.add_argument("--email", metavar="ADDRESS", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        user = create_user(
            actor=self.actor(options),
            username=options["username"],
            password=ask_new_password(),
            platform_role=PlatformRole.ADMINISTRATOR,
            email=options["email"],
        )
        self.say(f"{user.username} is a platform administrator.")
