"""Turns what an inspection found into rows, and tells whether a version holds the same material."""

from __future__ import annotations

from typing import Any

from certificates.models import CertificateVersion, ChainCertificate, ChainRole, VersionStatus
from certificates.pki.inspection import CertificateFacts, Inspection

SERIAL_LENGTH = 80  # RFC 5280 allows 40 digits; a longer one, which is wrong anyway, is cut


def text(value: str) -> str:
    """`value` as PostgreSQL can store it: a NUL becomes a visible escape."""
    return value.replace("\x00", "\\00")


def common_facts(facts: CertificateFacts) -> dict[str, Any]:
    """The columns that every stored certificate has, whether leaf, chain or trust anchor."""
    return {
        "subject": text(facts.subject),
        "issuer": text(facts.issuer),
        "serial": facts.serial[:SERIAL_LENGTH],
        "sha256": facts.sha256,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
    }


def version_row(inspection: Inspection, **columns: Any) -> CertificateVersion:
    """An unsaved version from an importable inspection; `columns` are what the inspection does not know."""
    return CertificateVersion(**leaf_facts(inspection), **columns)


def leaf_facts(inspection: Inspection) -> dict[str, Any]:
    """The columns of a version that an importable inspection fills."""
    leaf = inspection.leaf
    assert leaf is not None  # noqa: S101 - importable
    findings = [
        {"code": found.code, "severity": found.severity.value, "text": text(found.text)}
        for found in inspection.findings
    ]
    return common_facts(leaf) | {
        "leaf_der": leaf.der,
        "spki_sha256": leaf.spki_sha256,
        "key_type": leaf.key_type,
        "key_bits": leaf.key_bits,
        "findings": findings,
    }


def stored_facts(version: CertificateVersion, before: int | None) -> dict[str, object]:
    """What the audit trail says of a version that was just stored. `before`: the number of the one in its place."""
    return {
        "version": version.number,
        "status": version.status,
        "before": before,
        "subject": version.subject,
        "serial": version.serial,
        "sha256": version.sha256,
        "not_after": version.not_after.isoformat(),
        "allowed_findings": version.allowed_findings,
    }


def chain_rows(inspection: Inspection, version: CertificateVersion) -> list[ChainCertificate]:
    """Unsaved rows: the intermediates in sending order, then the root."""
    return [
        ChainCertificate(version=version, position=position, role=role, der=facts.der, **common_facts(facts))
        for position, (role, facts) in enumerate(_issuers(inspection), start=1)
    ]


def same_material(inspection: Inspection, versions: list[CertificateVersion]) -> CertificateVersion | None:
    """The active or staged version with this very leaf (hence key) and chain, if there is one.

    `versions` come with their `chain` loaded.
    """
    leaf = inspection.leaf
    wanted = [(role, facts.sha256) for role, facts in _issuers(inspection)]
    for version in versions:
        if version.status not in {VersionStatus.ACTIVE, VersionStatus.STAGED}:
            continue
        stored = sorted(version.chain.all(), key=lambda row: row.position)
        if leaf and version.sha256 == leaf.sha256 and [(ChainRole(r.role), r.sha256) for r in stored] == wanted:
            return version
    return None


def adds_to_chain(inspection: Inspection, version: CertificateVersion) -> bool:
    """Whether it has all that is stored of the chain of the same leaf, and more."""
    stored = set(version.chain.values_list("sha256", flat=True))
    return stored < {facts.sha256 for _, facts in _issuers(inspection)}


def _issuers(inspection: Inspection) -> list[tuple[ChainRole, CertificateFacts]]:
    issuers = [(ChainRole.INTERMEDIATE, facts) for facts in inspection.intermediates]
    return issuers + ([(ChainRole.ROOT, inspection.root)] if inspection.root else [])
