"""`invoke_node`: the real call of a service node, as the runtime makes it."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, ExitOne
from botplatform.errors import InvalidInput
from servicenodes.lookup import find_node
from servicenodes.services.answers import answer_as_json, body_text, failure_as_json, shown_headers
from servicenodes.services.filling import MAX_PAYLOAD
from servicenodes.services.invoking import CallFailed, InvokeOutcome
from servicenodes.services.trying import try_call, typed


class Command(ConsoleCommand):
    """The body goes to stdout as it came; status, headers and certificate to stderr."""

    help = (
        "Make the real call of a service node. "
        "Exit code 0: answered with a status below 400, 1: another answer, or none, 2: the call was not made."
    )
    examples = """
        manage.py invoke_node acme/get-balance --var account=4711
        manage.py invoke_node acme/pay --data @payment.json --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", metavar="NODE", help="bot-slug/node-slug")
        parser.add_argument(
            "--var", dest="variables", metavar="NAME=VALUE", type=_variable, action="append", default=[],
            help="the value of a variable of the node; may be given many times",
        )  # fmt: skip
        parser.add_argument("--data", metavar="@FILE", help="send this file in place of the node's body; @- is stdin")
        parser.add_argument("--content-type", metavar="TYPE", help="of --data; default: the node's")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        node = find_node(actor, options["node"])
        try:
            outcome = try_call(
                actor=actor,
                node=node,
                variables=typed(node, dict(options["variables"])),
                payload=None if options["data"] is None else _read(options["data"]),
                content_type=options["content_type"],
            )
        except CallFailed as failed:
            if options["json"]:
                self.print_json(failure_as_json(failed))
                raise ExitOne from failed
            raise ExitOne("\n".join([failed.text, *(f"→ {advice}" for advice in failed.advice)])) from failed
        if options["json"]:
            self.print_json(answer_as_json(outcome))
        else:
            self._show(outcome)
        if outcome.status >= 400:
            raise ExitOne

    def _show(self, outcome: InvokeOutcome) -> None:
        presented = f"{outcome.certificate} version {outcome.version}" if outcome.certificate else "no certificate"
        if outcome.fell_back_from is not None:
            presented += f", because the server rejected version {outcome.fell_back_from}"
        self.say(f"HTTP {outcome.status} in {outcome.timing_ms['total']:.0f} ms, presented: {presented}")
        for name, value in shown_headers(outcome).items():
            self.say(f"{name}: {value}")
        text = body_text(outcome)
        if self.stdout.isatty():  # a foreign body does not steer a terminal
            self.show(
                f"{len(outcome.body)} bytes that are no text; redirect the output to keep them"
                if text is None
                else text
            )
        elif text is not None:
            self.stdout.write(text, ending="")
        else:
            self.stdout.flush()
            sys.stdout.buffer.write(outcome.body)


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ArgumentTypeError("NAME=VALUE")
    return name, value


def _read(source: str) -> bytes:
    if not source.startswith("@"):
        raise InvalidInput("--data takes a file: write @FILE, or @- for standard input.", field="data")
    try:
        if source == "@-":
            return sys.stdin.buffer.read(MAX_PAYLOAD + 1)
        with Path(source[1:]).open("rb") as file:
            return file.read(MAX_PAYLOAD + 1)
    except OSError as error:
        raise InvalidInput(f"{source[1:]} cannot be read: {error.strerror}.", field="data") from error
