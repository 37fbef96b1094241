"""`test_fleet`: many service nodes at once, one line each, then totals."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from django.core.management.base import CommandError, CommandParser

from botplatform.accounts.actors import Actor
from botplatform.console.commands import INTERRUPTED, ConsoleCommand, ExitOne, whole_number
from certificates.lookup import find_bot, find_certificate
from servicenodes.effective import nodes_presenting
from servicenodes.lookup import visible_nodes
from servicenodes.management import egress
from servicenodes.management.versions import version_selector
from servicenodes.models import ServiceNodeQuerySet
from servicenodes.services.fleet_testing import Tested, run_tests, totals
from servicenodes.services.presenting import find_version
from servicenodes.services.requests import ProbeOptions

MAX_CONCURRENCY = 64


class Command(ConsoleCommand):
    """Data to stdout, each node as soon as it is known."""

    help = (
        "Test many service nodes: all, those of a bot, or those that present a certificate. Exit code 0: all were "
        "accepted, 1: not all, 2: could not run."
    )
    works_in_threads = True
    examples = """
        manage.py test_fleet
        manage.py test_fleet --bot acme --json
        manage.py test_fleet --certificate platform/default --version staged --concurrency 16
    """

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["conflict_handler"] = "resolve"  # Django's own --version tells Django's version
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bot", metavar="BOT", help="only the nodes of this bot")
        parser.add_argument("--certificate", metavar="CERT", help="only the nodes that present this one")
        parser.add_argument(
            "--version",
            dest="certificate_version",
            metavar="N|staged",
            type=version_selector,
            help="present this version of --certificate; default: the active one",
        )
        parser.add_argument(
            "--concurrency",
            metavar="N",
            type=whole_number(1, MAX_CONCURRENCY),
            default=8,
            help=f"tests at once, at most {MAX_CONCURRENCY} (default: 8)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on each line, the totals on the last")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        nodes, probe = self._chosen(actor, options)
        run = run_tests(actor=actor, nodes=nodes, options=probe, concurrency=options["concurrency"])
        tested: list[Tested] = []
        try:
            for one in run:
                tested.append(one)
                self._tell(one, options)
        except KeyboardInterrupt:
            self._tell_totals(tested, options)
            self._end_at_once(f"Interrupted: {len(tested)} of {nodes.count()} service nodes were tested.")
        if not self._tell_totals(tested, options):
            raise ExitOne

    def _tell_totals(self, tested: list[Tested], options: dict[str, Any]) -> bool:
        """Whether all were accepted."""
        summed = totals(tested)
        if options["json"]:
            self.print_json_line({"totals": summed})
        else:
            others = ", ".join(f"{name}: {count}" for name, count in summed["verdicts"].items() if name != "accepted")
            self.show(f"{summed['accepted']} of {summed['nodes']} accepted{f' ({others})' if others else ''}")
        if summed["verdicts"].get(egress.DENIED):
            self.say(egress.HINT)
        return bool(summed["accepted"] == summed["nodes"])

    def _end_at_once(self, text: str) -> NoReturn:
        """Tests that are at it would keep the process alive; their rows tell by themselves that they were left."""
        self.say(text)
        self.stdout.flush()
        self.stderr.flush()
        os._exit(INTERRUPTED)

    def _chosen(self, actor: Actor, options: dict[str, Any]) -> tuple[ServiceNodeQuerySet, ProbeOptions]:
        nodes, version = visible_nodes(actor), options["certificate_version"]
        if options["bot"]:
            nodes = nodes.filter(bot=find_bot(actor, options["bot"]))
        if not options["certificate"]:
            if version is not None:
                raise CommandError("--version needs --certificate.")
            return nodes, ProbeOptions()
        certificate = find_certificate(actor, options["certificate"])
        if version is not None:
            find_version(certificate, version)
        nodes = nodes.filter(pk__in=nodes_presenting(certificate).values("pk"))
        return nodes, ProbeOptions(version=version)

    def _tell(self, one: Tested, options: dict[str, Any]) -> None:
        if options["json"]:
            self.print_json_line(one.as_json())
        elif one.report is None:
            self.show(f"{one.node}: not tested. {one.error.text if one.error else ''}")
        else:
            self.show(f"{one.node}: {one.verdict} ({one.report['reason']}). {one.report['summary']}")
