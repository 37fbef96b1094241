"""`create_issuer`: a CA that renews certificates by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, read_secret_file, read_secret_stdin
from botplatform.errors import InvalidInput
from certificates.issuer_models import Challenge, IssuerKind
from certificates.lookup import find_owner, find_trust_store, split_path
from certificates.pki.secret import Secret
from certificates.services.issuers import IssuerOrder, check_issuer, create_issuer

OPTION_HELP = {
    "challenge": "ACME: how the operator's hook proves that a name is yours",
    "contact": "ACME: a mail address that the CA may write to",
    "eab_kid": "ACME: key id of an external account; its key is the secret",
    "mount": "Vault: path of the PKI engine",
    "role": "Vault: the role that signs",
    "namespace": "Vault: namespace",
    "role_id": "Vault: sign in with this AppRole; its secret id is the secret. Without it the secret is a token",
}


class Command(ConsoleCommand):
    """Names an ACME CA, or the PKI engine of a Vault or OpenBao."""

    help = "Add a CA that renews certificates of a bot, or (platform/name) of every bot."
    examples = """
        manage.py create_issuer acme/company-ca acme --url https://ca.example/acme/directory --challenge dns-01
        manage.py create_issuer platform/vault vault --url https://vault.example:8200 --mount pki --role bots --secret-file token.txt
        manage.py create_issuer acme/vault vault --url https://vault.example:8200 --mount pki --role bots --role-id 5e1f --secret-stdin --check
    """  # noqa: E501

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("issuer", metavar="ISSUER", help="bot-slug/name or platform/name")
        parser.add_argument("kind", metavar="KIND", choices=IssuerKind.values, help=" or ".join(IssuerKind.values))
        parser.add_argument("--url", required=True, help="the ACME directory, or the Vault server")
        parser.add_argument("--trust-store", metavar="NAME", help="what its server is verified with")
        for name, text in OPTION_HELP.items():
            choices = Challenge.values if name == "challenge" else None
            parser.add_argument(f"--{name.replace('_', '-')}", default="", choices=choices, help=text)
        secret = parser.add_mutually_exclusive_group()
        secret.add_argument("--secret-file", metavar="PATH", type=Path, help="file that holds the secret")
        secret.add_argument("--secret-stdin", action="store_true", help="read the secret from standard input")
        parser.add_argument("--check", action="store_true", help="ask the CA something harmless at once")
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        slug, name = split_path(options["issuer"], what="issuer", form="bot-slug/name or platform/name")
        owner = find_owner(actor, slug)
        order = IssuerOrder(
            name=name,
            kind=options["kind"],
            url=options["url"],
            trust_store=find_trust_store(actor, options["trust_store"], owner) if options["trust_store"] else None,
            options={option: options[option] for option in OPTION_HELP},
            secret=self._secret(options),
        )
        issuer = create_issuer(actor=actor, owner=owner, order=order)
        self.say(f"“{issuer.path}” is created.")  # whatever a check of it says
        said = check_issuer(actor=actor, issuer=issuer) if options["check"] else None
        if options["json"]:
            self.print_json({"issuer": issuer.path, "kind": issuer.kind, "url": issuer.url, "check": said})
            return
        if said:
            self.show(said)

    def _secret(self, options: dict[str, Any]) -> Secret | None:
        needed = options["kind"] == IssuerKind.VAULT or bool(options["eab_kid"])
        given = read_secret_file(options["secret_file"], what="secret") if options["secret_file"] else None
        if options["secret_stdin"]:
            given = read_secret_stdin(what="secret")
        if given is None and needed:
            given = self.ask_passphrase("Secret: ")
        if given is None and needed:
            raise InvalidInput("The secret is missing: use --secret-file or --secret-stdin.", field="secret")
        return Secret(given) if given else None
