"""`complete_csr`: take the CA's reply to an open request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from botplatform.console.commands import ConsoleCommand, ExitOne
from certificates.errors import BundleError, ImportRefused
from certificates.lookup import find_certificate
from certificates.management.bundles import add_allow_argument, inspection_lines, read_files
from certificates.models import ClientCertificate
from certificates.pki.inspection import Inspection
from certificates.pki.report import inspection_as_json
from certificates.services.completing import Completion, complete
from certificates.services.requesting import open_requests


class Command(ConsoleCommand):
    """All or nothing; the same reply again changes nothing and says so."""

    help = "Take the CA's reply, for the key of an open request only. Exit code 0: done, 1: refused, 2: could not run."
    examples = """
        manage.py complete_csr acme/bank reply.pem
        manage.py complete_csr acme/bank reply.p7b --allow client_auth_missing --json
    """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("certificate", metavar="CERT", help="bot-slug/name or platform/name")
        parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="what the CA sent: PEM, DER or PKCS#7")
        add_allow_argument(parser)
        self.add_json_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = self.actor(options)
        certificate = find_certificate(actor, options["certificate"])
        allow = frozenset(options["allow"])
        try:
            done = complete(actor=actor, certificate=certificate, files=read_files(options["files"]), allow=allow)
        except (BundleError, ImportRefused) as refused:
            if not isinstance(refused.inspection, Inspection):
                raise
            self._tell(options, certificate, refused.inspection, None)
            raise ExitOne("Nothing was changed.") from refused
        self._tell(options, certificate, done.inspection, done)

    def _tell(
        self, options: dict[str, Any], certificate: ClientCertificate, found: Inspection, done: Completion | None
    ) -> None:
        if options["json"]:
            version = done.version if done else None
            outcome = {
                "certificate": certificate.path,
                "version": version.number if version else None,
                "status": version.status if version else None,
                "changed": bool(done and done.changed),
            }
            self.print_json(inspection_as_json(found, frozenset(options["allow"])) | outcome)
            return
        for line in inspection_lines(found):
            self.show(line)
        if done:
            self.show(_sentence(done))


def _sentence(done: Completion) -> str:
    path, version = done.certificate.path, done.version
    assert version is not None  # noqa: S101 - what was done, was done to a version
    if not done.changed:
        told = f"“{path}” holds this certificate already: version {version.number} is {version.status}. Nothing to do."
        waiting = [str(number) for number in open_requests(done.certificate).values_list("number", flat=True)]
        return f"{told} The reply to version {', '.join(waiting)} is still to come." if waiting else told
    told = f"“{path}”: version {version.number} is {version.status}."
    return f"{told} Test it, then run manage.py promote_version {path}." if version.status == "staged" else told
