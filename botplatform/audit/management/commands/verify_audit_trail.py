"""Tells whether the audit trail is unbroken."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from botplatform.audit.trail import verify_trail
from botplatform.console.commands import ConsoleCommand, ExitOne
from botplatform.errors import InvalidInput


class Command(ConsoleCommand):
    """0: unbroken, 1: broken."""

    help = "Recompute the hash chain of the audit trail and tell whether anybody tampered with it."
    examples = """
        manage.py verify_audit_trail
        manage.py verify_audit_trail --json
        manage.py verify_audit_trail --expect-head 5f0c…  # a head printed earlier and kept elsewhere
    """

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json_argument(parser)
        parser.add_argument(
            "--expect-head",
            metavar="HASH",
            help="a head hash noted earlier, which must still be in the trail: shows a tail that was cut off",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check = verify_trail(_head_hash(options["expect_head"]))
        if options["json"]:
            self.print_json(asdict(check))
        elif check.ok:
            self.show(f"The audit trail is unbroken: {check.events} events.\nhead {check.head_hash}")
        else:
            self.show(f"The audit trail is broken. {check.problem}")
        if not check.ok:
            raise ExitOne


def _head_hash(text: str | None) -> str | None:
    if text is None:
        return None
    head_hash = text.strip().lower()
    if len(head_hash) != 64 or set(head_hash) - set("0123456789abcdef"):
        raise InvalidInput("--expect-head takes a hash of 64 hexadecimal digits.", field="expect_head")
    return head_hash
