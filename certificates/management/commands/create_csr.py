"""`create_csr`: make a key inside, and print the request that a CA signs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, read_secret_file
from certificates.lookup import find_owner, split_path
from certificates.pki.csr import KeyKind
from certificates.pki.secret import Secret
from certificates.services.requesting import Requested, request

FORM = "bot-slug/name or platform/name"


class Command(ConsoleCommand):
    """The version stays a draft until `complete_csr` brings the CA's reply."""

    help = "Make a private key inside and print a certificate signing request (PKCS#10, PEM) for it."
    examples = """
        manage.py create_csr acme/bank --subject "CN=client.acme.example,O=Acme,C=DE" > bank.csr
        manage.py create_csr acme/bank --key rsa-3072 --san client.acme.example --san uri:spiffe://acme/bank
        manage.py create_csr acme/bank --same-key --challenge-file challenge.txt --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name; made if it is new")
        parser.add_argument(
            "--subject",
            metavar="DN",
            help="RFC 4514; default: that of the version it renews (a first certificate needs it)",
        )
        parser.add_argument(
            "--san",
            metavar="NAME",
            action="append",
            help="dns:, ip:, email: or uri: and a value (may be repeated); default: those of the version it renews",
        )
        key = parser.add_mutually_exclusive_group()
        key.add_argument("--key", choices=[kind.value for kind in KeyKind], default="ec-p256", help="default: ec-p256")
        key.add_argument(
            "--same-key", action="store_true", help="the key of the version it renews, if the CA demands it"
        )
        parser.add_argument(
            "--challenge-file",
            metavar="PATH",
            type=Path,
            help="file with a challenge password for the CA; it is in the printed request only, and never stored",
        )
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        slug, name = split_path(options["certificate"], what="client certificate", form=FORM)
        path = options["challenge_file"]
        challenge = read_secret_file(path, what="challenge") if path else None
        done = request(
            actor=actor,
            owner=find_owner(actor, slug),
            name=name,
            subject=options["subject"],
            sans=options["san"],
            key=KeyKind(options["key"]),
            same_key=options["same_key"],
            challenge=None if challenge is None else Secret(challenge),
        )
        self._tell(options, done)

    def _tell(self, options: dict[str, Any], done: Requested) -> None:
        if options["json"]:
            self.print_json(_document(done))
            return
        self.show(done.pem.rstrip())
        path = done.certificate.path
        self.say(f"Version {done.version.number} of “{path}” waits for the CA’s reply: {done.version.subject}")
        self.say(f"→ Send the request to the CA, then run manage.py complete_csr {path} REPLY.")


def _document(done: Requested) -> dict[str, Any]:
    version = done.version
    return {
        "certificate": done.certificate.path,
        "version": version.number,
        "status": version.status,
        "subject": version.subject,
        "san": version.signing_request.sans,
        "key": {"type": version.key_type, "bits": version.key_bits},
        "spki_sha256": version.spki_sha256,
        "csr": done.pem,
    }
