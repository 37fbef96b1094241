"""`inspect_bundle`: what files hold, and what an import would make of them. Saves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from botplatform.console.commands import ConsoleCommand, ExitOne
from certificates.management.bundles import inspection_lines, read_files
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.report import inspection_as_json
from certificates.pki.secret import Secret
from certificates.sandbox import inspect_untrusted


class Command(ConsoleCommand):
    """The files are read in the limited child process, as for an import."""

    help = "Say what files hold and what an import would do. Exit code 0: importable, 1: not, 2: could not run."
    examples = """
        manage.py inspect_bundle bank.p12 --passphrase-file bank.pass
        manage.py inspect_bundle client.pem client.key issuing-ca.crt --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="PEM, DER, PKCS#12 or PKCS#7")
        self.add_passphrase_arguments(parser)
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        files, passphrase = read_files(options["files"]), self.read_passphrase(options)
        inspection = _inspect(files, passphrase)
        if passphrase is None and inspection.error and inspection.error.code == ErrorCode.PASSPHRASE_REQUIRED:
            passphrase = self.ask_passphrase()
            inspection = _inspect(files, passphrase) if passphrase else inspection
        if options["json"]:
            self.print_json(inspection_as_json(inspection))
        else:
            self.show("\n".join([*inspection_lines(inspection), _outcome(inspection)]))
        if not inspection.importable():
            raise ExitOne


def _inspect(files: Sequence[UploadedFile], passphrase: bytes | None) -> Inspection:
    secret = None if passphrase is None else Secret(passphrase)
    return inspect_untrusted(files, passphrase=secret, now=timezone.now())


def _outcome(inspection: Inspection) -> str:
    if inspection.error:
        return "These files cannot be imported."
    if inspection.refusing:
        insisting = " ".join(f"--allow {code}" for code in dict.fromkeys(inspection.refusing))
        return f"An import refuses this, unless you insist with {insisting}."
    chain = ", ".join([facts.subject for facts in inspection.intermediates]) or "no intermediate"
    return f"An import stores the private key and sends the leaf with {chain}."
