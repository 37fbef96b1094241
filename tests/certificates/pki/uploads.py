"""Short ways to inspect what a test has just made."""

from __future__ import annotations

from datetime import UTC, datetime

from certificates.pki.decoding import inspect_files
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.secret import Secret


def inspect(*contents: bytes, passphrase: bytes | None = None, now: datetime | None = None) -> Inspection:
    """The contents as files called file-1, file-2, … inspected now or at `now`."""
    files = [UploadedFile(f"file-{number}", content) for number, content in enumerate(contents, 1)]
    secret = None if passphrase is None else Secret(passphrase)
    return inspect_files(files, passphrase=secret, now=now or datetime.now(UTC))


def error_code(inspection: Inspection) -> str | None:
    return inspection.error.code if inspection.error else None


def codes(inspection: Inspection) -> set[str]:
    return {finding.code for finding in inspection.findings}


def ignored(inspection: Inspection) -> list[str]:
    return [item.why for item in inspection.ignored]
