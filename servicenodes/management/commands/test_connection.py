"""`test_connection`: a real handshake with a node's server, or with any URL, and the truth about it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from botplatform.accounts.actors import Actor
from botplatform.console.commands import ConsoleCommand, ExitOne
from certificates.lookup import find_certificate, find_trust_store
from certificates.management.bundles import read_files
from servicenodes.lookup import find_node
from servicenodes.management import egress
from servicenodes.management.versions import version_selector
from servicenodes.models import ServiceNode, TLSVersion
from servicenodes.services.probing import probe_url, test_now
from servicenodes.services.requests import ProbeOptions, trust_in_files
from servicenodes.tls.observation import Step

MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "–"}


class Command(ConsoleCommand):
    """Steps go to stderr as they happen, the verdict to stdout."""

    help = (
        "Test a connection. Exit code 0: the client certificate was accepted, 1: any other verdict, 2: could not run."
    )
    examples = """
        manage.py test_connection acme/get-balance
        manage.py test_connection acme/get-balance --version staged --json
        manage.py test_connection --url https://api.bank.example/ --certificate acme/bank --trust-file bank-ca.pem
    """

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs["conflict_handler"] = "resolve"  # Django's own --version tells Django's version
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("node", metavar="NODE", nargs="?", help="bot-slug/node-slug")
        where.add_argument("--url", help="test this URL, which needs no node")
        parser.add_argument("--certificate", metavar="CERT", help="present this one instead")
        parser.add_argument(
            "--version",
            dest="certificate_version",
            metavar="N|staged",
            type=version_selector,
            help="default: the active one",
        )
        trust = parser.add_mutually_exclusive_group()
        trust.add_argument("--trust-store", metavar="NAME", help="verify the server with this trust store instead")
        trust.add_argument(
            "--trust-file", metavar="PEM", type=Path, help="verify it with the certificates in this file"
        )
        parser.add_argument("--tls-min", choices=TLSVersion.values, help="lowest TLS version")
        parser.add_argument("--tls-max", choices=TLSVersion.values, help="highest TLS version")
        parser.add_argument("--server-name", metavar="NAME", help="ask for and verify the server by this name")
        parser.add_argument("--proxy", metavar="URL", help="http://host:port; default: EGRESS_PROXY")
        parser.add_argument("--no-control", action="store_true", help="leave out the attempt without the certificate")
        parser.add_argument("--canary", action="store_true", help="also try a certificate that nobody can trust")
        parser.add_argument("--timeout", metavar="S", type=_seconds, help="seconds for the whole test, at most 60")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        node = find_node(actor, options["node"]) if options["node"] else None
        probe = self._probe_options(actor, node, options)
        on_step = None if options["json"] else self._say_step
        if node is None:
            report = probe_url(actor=actor, url=options["url"], options=probe, on_step=on_step)
        else:
            report = test_now(actor=actor, node=node, options=probe, on_step=on_step).report or {}
        if options["json"]:
            self.print_json(report)
        else:
            self._show_report(report)
        if report["verdict"] == egress.DENIED:
            self.say(egress.HINT)
        if report["verdict"] != "accepted":
            raise ExitOne

    def _probe_options(self, actor: Actor, node: ServiceNode | None, options: dict[str, Any]) -> ProbeOptions:
        certificate = find_certificate(actor, options["certificate"]) if options["certificate"] else None
        bot = node.bot if node else certificate.bot if certificate else None
        store, file = options["trust_store"], options["trust_file"]
        if node is None and certificate is None and options["certificate_version"] is not None:
            raise CommandError("--version needs --certificate when there is no node.")
        return ProbeOptions(
            certificate=certificate,
            version=options["certificate_version"],
            trust_store=find_trust_store(actor, store, bot) if store else None,
            trust=trust_in_files(read_files([file])) if file else None,
            min_tls=options["tls_min"],
            max_tls=options["tls_max"],
            server_name=options["server_name"],
            proxy=options["proxy"],
            control=not options["no_control"],
            canary=options["canary"],
            timeout_s=options["timeout"],
        )

    def _say_step(self, step: Step) -> None:
        self.say(f"{MARKS[step.status.value]} {step.name.value.replace('_', ' ')}: {step.detail} ({step.ms:.0f} ms)")

    def _show_report(self, report: dict[str, Any]) -> None:
        reason = f" ({report['reason']})" if report["reason"] else ""
        certainty = f", certainty {report['certainty']}" if report["certainty"] != report["reason"] else ""
        self.show(f"{report['verdict']}{reason}{certainty}")
        self.show(report["summary"])
        for advice in report["advice"]:
            self.show(f"→ {advice}")
        for path in report["suggested_certificates"]:
            self.show(f"→ The server names the issuer of “{path}”: try that one.")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 60:  # also refuses NaN
        raise ArgumentTypeError("a number of seconds between 0 and 60")
    return seconds
