"""Inspections and files as JSON between the console and the limited child process. Never pickle: the child read
hostile bytes, so what it answers is data and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from certificates.pki.inspection import (
    CertificateFacts,
    Finding,
    Ignored,
    Inspection,
    InspectionError,
    Severity,
    UploadedFile,
)
from certificates.pki.secret import Secret


def dump_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def load_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def dump_files(files: Sequence[UploadedFile]) -> list[list[str]]:
    return [[file.name, dump_bytes(file.content)] for file in files]


def load_files(rows: Sequence[Sequence[str]]) -> tuple[UploadedFile, ...]:
    return tuple(UploadedFile(name, load_bytes(content)) for name, content in rows)


def dump_facts(facts: CertificateFacts) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(facts, name) for name in CertificateFacts.__dataclass_fields__}
    return values | {
        "der": dump_bytes(facts.der),
        "not_before": facts.not_before.isoformat(),
        "not_after": facts.not_after.isoformat(),
    }


def load_facts(row: Mapping[str, Any]) -> CertificateFacts:
    """Raises KeyError, TypeError or ValueError for anything `dump_facts` did not make."""
    values = dict(row)
    return CertificateFacts(
        **values
        | {
            "der": load_bytes(row["der"]),
            "not_before": datetime.fromisoformat(row["not_before"]),
            "not_after": datetime.fromisoformat(row["not_after"]),
            "eku": None if row["eku"] is None else tuple(row["eku"]),
            "san": tuple(row["san"]),
        }
    )


def dump_inspection(inspection: Inspection) -> dict[str, object]:
    """The private key is in it: this goes through the pipe and nowhere else."""
    error = inspection.error
    return {
        "leaf": dump_facts(inspection.leaf) if inspection.leaf else None,
        "private_key": dump_bytes(inspection.private_key.reveal()) if inspection.private_key else None,
        "intermediates": [dump_facts(facts) for facts in inspection.intermediates],
        "root": dump_facts(inspection.root) if inspection.root else None,
        "ignored": [[ignored.what, ignored.why] for ignored in inspection.ignored],
        "findings": [[finding.code, finding.severity, finding.text] for finding in inspection.findings],
        "error": [error.code, error.text, error.file] if error else None,
    }


def load_inspection(row: Mapping[str, Any]) -> Inspection:
    """Raises KeyError, TypeError or ValueError for anything `dump_inspection` did not make."""
    key = row["private_key"]
    return Inspection(
        leaf=load_facts(row["leaf"]) if row["leaf"] else None,
        private_key=Secret(load_bytes(key)) if key else None,
        intermediates=tuple(load_facts(facts) for facts in row["intermediates"]),
        root=load_facts(row["root"]) if row["root"] else None,
        ignored=tuple(Ignored(what, why) for what, why in row["ignored"]),
        findings=tuple(Finding(code, Severity(severity), text) for code, severity, text in row["findings"]),
        error=InspectionError(*row["error"]) if row["error"] else None,
    )
