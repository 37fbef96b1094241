"""What the commands about uploaded files share: reading them, and telling what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandParser

from botplatform.accounts.actors import Actor
from botplatform.errors import InvalidInput
from certificates.lookup import find_owner, split_path
from certificates.pki import display
from certificates.pki.findings import ErrorCode, FindingCode
from certificates.pki.inspection import CertificateFacts, Inspection, UploadedFile
from certificates.services.foreseeing import DefaultChange, foresee_default

OWNED = "bot-slug/name or platform/name"
NODES_NAMED = 20
MARKS = {"error": "✗ error", "warning": "! warning", "info": "· note"}


def read_files(paths: Sequence[Path]) -> list[UploadedFile]:
    """The files as uploaded ones. Reads one byte more than allowed, so that a limit is seen and /dev/zero ends."""
    most = settings.MAX_UPLOAD_KB * 1024
    files = []
    for path in paths:
        try:
            with path.open("rb") as file:
                files.append(UploadedFile(path.name, file.read(most + 1)))
        except OSError as error:
            raise InvalidInput(f"The file {path} cannot be read: {error.strerror}.", field="files") from error
    return files


def add_allow_argument(parser: CommandParser) -> None:
    """Offer `--allow` (`options["allow"]`)."""
    parser.add_argument(
        "--allow",
        metavar="FINDING",
        action="append",
        default=[],
        choices=[code.value for code in FindingCode],
        help="import in spite of this finding; it is recorded (may be repeated)",
    )


def inspection_lines(inspection: Inspection) -> list[str]:
    """What was found, for people: one certificate a line, then what is ignored, then findings, then the error."""
    lines = []
    if inspection.leaf:
        lines.append(_line("leaf", inspection.leaf))
    lines += [_line("intermediate", facts) for facts in inspection.intermediates]
    if inspection.root:
        lines.append(_line("root", inspection.root))
    lines += [f"ignored       {ignored.what} ({ignored.why})" for ignored in inspection.ignored]
    for found in inspection.findings:
        lines.append(f"{MARKS[found.severity.value]}: {found.text} ({found.code})")
    if inspection.error:
        lines.append(f"✗ {inspection.error.code}: {inspection.error.text}")
        if inspection.error.code == ErrorCode.PASSPHRASE_REQUIRED:
            lines.append("→ Give it with --passphrase-file PATH or --passphrase-stdin, or run this in a terminal.")
    return lines


def foresee(actor: Actor, path: str) -> DefaultChange:
    """What would change if the certificate `path`, which need not exist yet, became the default of its owner."""
    slug, _ = split_path(path, what="client certificate", form=OWNED)
    return foresee_default(actor=actor, owner=find_owner(actor, slug), after=path)


def default_lines(change: DefaultChange, *, would: bool) -> list[str]:
    """Which service nodes present something else with another default: one a line, the others counted."""
    verb = "would present" if would else "presents"
    lines = [
        f"! {node.path} {verb} {change.after} instead of {change.before or 'nothing'}."
        for node in change.nodes[:NODES_NAMED]
    ]
    if more := change.count - len(lines):
        lines.append(f"! So do{'' if more > 1 else 'es'} {more} more service node{'s' if more > 1 else ''}.")
    return lines


def _line(role: str, facts: CertificateFacts) -> str:
    key = display.key_label(facts.key_type, facts.key_bits)
    return f"{role:<13} {facts.subject or '(no name)'} · {key} · until {display.day(facts.not_after)}"
