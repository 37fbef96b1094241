"""`quickstart`: everything before the first sign-in, in one command that may be repeated."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, whole_number
from servicenodes.services import demo, installation
from servicenodes.services.probing import test_now

DEMO_PORT = 9443
MAX_DEMO_PORT = 65_535 - 4


class Command(ConsoleCommand):
    """Secrets, database, static files, first administrator, and on request the demo with one connection test."""

    help = "Prepare the console: secrets, database, static files, first administrator. Run it as often as you like."
    examples = "manage.py quickstart\nmanage.py quickstart --demo"
    requires_system_checks = ()  # they need the secrets and the database that this command makes

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="load the demo bot and test one of its nodes")
        parser.add_argument(
            "--demo-port",
            metavar="PORT",
            type=whole_number(1, MAX_DEMO_PORT),
            default=DEMO_PORT,
            help=f"first of the demo bank's five ports, at most {MAX_DEMO_PORT} (default: {DEMO_PORT})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)  # what is made here, the embedded database too, is nobody else's business
        installation.ensure_secret_key()
        self.say("Preparing the database and the static files …")
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)
        actor = self.actor(options)
        if installation.ensure_keyring(actor=actor):
            self.say(f"Made the keyring {settings.KEYRING_FILE}. Back it up, apart from the database.")
        if options["demo"]:
            self._demo(options)
        self._sign_in(installation.ensure_administrator(actor=actor))

    def _demo(self, options: dict[str, Any]) -> None:
        actor = self.actor(options)
        bank = demo.describe_bank(port=options["demo_port"])
        node = demo.load_demo(actor=actor, bank=bank)
        settings.EGRESS_ALLOW = [*settings.EGRESS_ALLOW, *bank.egress_allow]  # for this one test, in this process
        with demo.open_bank(bank):
            test = test_now(actor=actor, node=node)
        self.show(f"Connection test of {node.path}: {test.verdict} ({test.reason}). {test.summary}")
        self.show(f"Its four neighbours tell other truths: sign in, open “{node.bot.name}”, and test them.")

    def _sign_in(self, password: str | None) -> None:
        if password:
            self.show(f"\n    Console   {settings.BASE_URL}/")
            self.show(f"    User      {installation.ADMINISTRATOR}")
            self.show(f"    Password  {password}    shown only this once\n\n")
        else:
            self.show(f"Console: {settings.BASE_URL}/")
            self.show("Sign in with the account you have. `manage.py changepassword NAME` sets a new password.")
