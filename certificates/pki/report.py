"""The contract's JSON of an inspection. Never holds the private key."""

from __future__ import annotations

from datetime import datetime

from certificates.pki.inspection import CertificateFacts, Inspection


def inspection_as_json(inspection: Inspection, allowed: frozenset[str] = frozenset()) -> dict[str, object]:
    """`importable` answers for an import that insists on the findings in `allowed`."""
    error = inspection.error
    return {
        "importable": inspection.importable(allowed),
        "leaf": certificate_as_json(inspection.leaf) if inspection.leaf else None,
        "intermediates": [certificate_as_json(facts) for facts in inspection.intermediates],
        "root": certificate_as_json(inspection.root) if inspection.root else None,
        "ignored": [{"what": ignored.what, "why": str(ignored.why)} for ignored in inspection.ignored],
        "findings": [
            {"code": finding.code, "severity": finding.severity.value, "text": finding.text}
            for finding in inspection.findings
        ],
        "error": {"code": str(error.code), "text": error.text, "file": error.file} if error else None,
    }


def certificate_as_json(facts: CertificateFacts) -> dict[str, object]:
    """One certificate: names in RFC 4514 form, times in UTC with a `Z`, hashes in lower-case hexadecimal."""
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "not_before": utc(facts.not_before),
        "not_after": utc(facts.not_after),
        "sha256": facts.sha256,
        "spki_sha256": facts.spki_sha256,
        "san": list(facts.san),
        "eku": list(facts.eku) if facts.eku is not None else None,
        "key": {"type": facts.key_type, "bits": facts.key_bits},
        "signature_algorithm": facts.signature_algorithm,
    }


def utc(moment: datetime) -> str:
    """`2026-11-22T12:00:00Z`; `moment` is aware UTC."""
    return moment.isoformat().replace("+00:00", "Z")
