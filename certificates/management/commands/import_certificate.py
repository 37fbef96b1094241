"""`import_certificate`: store a client certificate; the installation command of a platform's default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, ExitOne
from certificates.errors import BundleError, ImportRefused
from certificates.lookup import find_owner, split_path
from certificates.management.bundles import (
    OWNED,
    add_allow_argument,
    default_lines,
    foresee,
    inspection_lines,
    read_files,
)
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import Inspection
from certificates.pki.report import inspection_as_json
from certificates.pki.secret import Secret
from certificates.services.importing import ImportResult, import_certificate


class Command(ConsoleCommand):
    """All or nothing; the same material again changes nothing and says so."""

    help = "Import a client certificate with its private key. Exit code 0: done, 1: not importable, 2: could not run."
    examples = """
        manage.py import_certificate acme/bank bank.p12 --passphrase-file bank.pass
        manage.py import_certificate platform/default client.pem client.key chain.pem --default
        manage.py import_certificate acme/bank renewed.p12 --stage --check --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="PEM, DER, PKCS#12 or PKCS#7")
        parser.add_argument("--default", action="store_true", help="make it the default of its bot or the platform")
        parser.add_argument("--stage", action="store_true", help="keep the present version active")
        parser.add_argument("--check", action="store_true", help="say what would happen, store nothing")
        add_allow_argument(parser)
        self.add_passphrase_arguments(parser)
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        passphrase = self.read_passphrase(options)
        change = foresee(self.actor(options), options["certificate"]) if options["default"] else None
        result = self._attempt(options, passphrase)
        error = result.inspection.error
        if passphrase is None and error and error.code == ErrorCode.PASSPHRASE_REQUIRED:
            passphrase = self.ask_passphrase()
            result = self._attempt(options, passphrase) if passphrase else result
        if change and result.changed:
            for line in default_lines(change, would=options["check"]):
                self.say(line)
        self._tell(options, result)

    def _attempt(self, options: dict[str, Any], passphrase: bytes | None) -> ImportResult:
        actor = self.actor(options)
        slug, name = split_path(options["certificate"], what="client certificate", form=OWNED)
        try:
            return import_certificate(
                actor=actor,
                owner=find_owner(actor, slug),
                name=name,
                files=read_files(options["files"]),
                passphrase=None if passphrase is None else Secret(passphrase),
                make_default=options["default"],
                stage=options["stage"],
                allow=frozenset(options["allow"]),
                dry_run=options["check"],
            )
        except (BundleError, ImportRefused) as refused:
            if not isinstance(refused.inspection, Inspection):
                raise
            return ImportResult(None, None, changed=False, inspection=refused.inspection)

    def _tell(self, options: dict[str, Any], result: ImportResult) -> None:
        allowed = frozenset(options["allow"])
        importable = result.inspection.importable(allowed)
        if options["json"]:
            version = result.version.number if result.version else None
            outcome = {"certificate": options["certificate"], "version": version, "changed": result.changed}
            outcome |= {"note": result.note}
            self.print_json(inspection_as_json(result.inspection, allowed) | outcome)
        else:
            for line in inspection_lines(result.inspection):
                self.show(line)
            if importable:
                self.show(_sentence(options, result))
        if not importable:
            raise ExitOne("Nothing was imported.")


def _sentence(options: dict[str, Any], result: ImportResult) -> str:
    name, version = options["certificate"], result.version
    if not result.changed:
        return (
            f"“{name}” holds this material already{f' (version {version.number})' if version else ''}: nothing to do."
        )
    note = f" {result.note}" if result.note else ""
    if options["check"]:
        staged = " It would be staged." if options["stage"] else ""
        return f"The import into “{name}” would go through. Nothing was stored.{note}{staged}"
    default = " It is the default." if result.certificate and result.certificate.is_default else ""
    stored = f"version {version.number} is {version.status}" if version else ""
    return f"“{name}”: {stored}.{note}{default}"
