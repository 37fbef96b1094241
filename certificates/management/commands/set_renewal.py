"""`set_renewal`: by whom and when a certificate is renewed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from botplatform.accounts.actors import Actor
from botplatform.console.commands import ConsoleCommand, whole_number
from certificates.issuer_models import RenewalPolicy
from certificates.lookup import find_certificate, find_issuer
from certificates.models import ClientCertificate
from certificates.pki.csr import KeyKind
from certificates.services.renewal_policies import MOST_DAYS, RenewalChoice, renew_now, set_renewal

CHOSEN = ("days_before", "key", "auto_promote")  # what goes with an issuer


class Command(ConsoleCommand):
    """Chooses the issuer of a certificate, or none."""

    help = (
        "Choose by which issuer and when a certificate is renewed; what is signed is staged. A choice replaces the one "
        "before as a whole: what is left out has its default. --now alone changes nothing of it."
    )
    examples = """
        manage.py set_renewal acme/api --issuer platform/vault
        manage.py set_renewal acme/api --issuer acme/company-ca --days-before 20 --auto-promote --now
        manage.py set_renewal acme/api --now
        manage.py set_renewal acme/api --by-hand
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--issuer", metavar="ISSUER", help="name of the bot's or platform's issuer, or owner/name")
        how.add_argument("--by-hand", action="store_true", help="no issuer: only reminders")
        parser.add_argument(
            "--days-before",
            metavar="DAYS",
            type=whole_number(1, MOST_DAYS),
            help="renew so many days before it expires (default: when a third of its lifetime is left)",
        )
        kinds = [kind.value for kind in KeyKind]
        parser.add_argument("--key", choices=kinds, help="kind of the new key (default: ec-p256)")
        parser.add_argument("--auto-promote", action="store_true", help="promote it when all tests are green")
        parser.add_argument(
            "--now",
            action="store_true",
            help="let a worker renew it now; without an active version: have the newest request signed",
        )
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        if options["issuer"] or options["by_hand"]:
            self._choose(actor, certificate, options)
        elif not options["now"] or any(options[name] for name in CHOSEN):
            raise CommandError("Say --issuer ISSUER or --by-hand; or --now alone, to leave it as it is.")
        if options["now"]:
            renew_now(actor=actor, certificate=certificate)
            self.say("A worker asks the issuer now.")
        policy = RenewalPolicy.objects.select_related("issuer__bot").get(certificate=certificate)
        issuer = policy.issuer.path if policy.issuer else None
        if options["json"]:
            self.print_json({"certificate": certificate.path, "issuer": issuer, "days_before": policy.days_before})
            return
        self.show(f"“{certificate.path}” is renewed {f'by “{issuer}”' if issuer else 'by hand'}.")

    def _choose(self, actor: Actor, certificate: ClientCertificate, options: dict[str, Any]) -> None:
        choice = RenewalChoice(
            find_issuer(actor, options["issuer"], certificate.bot) if options["issuer"] else None,
            options["days_before"],
            KeyKind(options["key"] or KeyKind.EC_P256),
            options["auto_promote"],
        )
        set_renewal(actor=actor, certificate=certificate, choice=choice)
