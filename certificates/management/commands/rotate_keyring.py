"""`rotate_keyring`: seal everything with the active key, or with a new one first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, ExitOne
from certificates.management.progress import ProgressBar
from certificates.services.rekeying import Rekeying, prepare_key, rotate_keyring

BACK_UP = "Back up the keyring file now. Keep its older backups as long as backups of the database from before today."


def rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"


class Command(ConsoleCommand):
    """May be killed at any time and run again; the console and the workers go on meanwhile."""

    help = "Seal everything again with the active key, verify it, and drop old keys from the keyring."
    examples = """
        manage.py rotate_keyring --new-key
        manage.py rotate_keyring --json
        manage.py rotate_keyring --prepare
    """

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--new-key", action="store_true", help="make a new key active first")
        group.add_argument(
            "--prepare",
            action="store_true",
            help="only add the key that --new-key will make active, for hosts with copies of the keyring",
        )
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        if options["prepare"]:
            key_id = prepare_key(actor=actor)
            self.print_json({"prepared": key_id}) if options["json"] else self.show(f"Prepared {key_id}.")
            self.say("Copy the keyring to every host, then run rotate_keyring --new-key.")
            return
        bar = ProgressBar(self.stderr)
        done = rotate_keyring(actor=actor, new_key=options["new_key"], tell=bar.tell)
        bar.end()
        self.print_json(asdict(done)) if options["json"] else self._tell(done)
        if done.added or done.dropped:
            self.say(BACK_UP)
        if done.left:
            raise ExitOne(f"{rows(len(done.left))} could not be sealed again.")

    def _tell(self, done: Rekeying) -> None:
        if done.added:
            self.show(f"The new key {done.added} is active.")
        self.show(f"{rows(sum(done.resealed.values()))} sealed again with {done.active}.")
        for row in done.left:
            self.show(f"Not sealed again: {row.name} ({row.table} {row.object_id}, on {row.key_id}): {row.reason}")
        for key_id in done.dropped:
            self.show(f"Dropped {key_id} from the keyring: nothing is sealed with it any more.")
        for key_id in done.kept:
            self.show(f"Kept {key_id} in the keyring: rows are sealed with it.")
