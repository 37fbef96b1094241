"""`changepassword`: replaces Django's command of the same name, which leaves no audit row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from botplatform.accounts.management.passwords import ask_new_password
from botplatform.accounts.models import User
from botplatform.accounts.services import change_password
from botplatform.console.commands import ConsoleCommand
from botplatform.errors import NotFound


class Command(ConsoleCommand):
    """Asks for the password, or reads one line of standard input where there is no terminal."""

    help = "Give a user a new password; their sessions end. Without a terminal it is read from standard input."
    examples = """
        manage.py changepassword anna
        manage.py changepassword anna < /run/secrets/anna_password
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="USERNAME")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise NotFound(f"There is no user called “{options['username']}”.")
        change_password(actor=self.actor(options), user=user, password=ask_new_password())
        self.say(f"The password of {user.username} is changed.")
