"""Comparing a version with the active one on every node that presents the certificate, over the HTTP API."""

from __future__ import annotations

from collections import Counter

from ninja import Status

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from certificates.api.certificates import find
from certificates.api.versions import Number
from certificates.models import CertificateVersion
from servicenodes.api.routing import router
from servicenodes.models import ConnectionTest
from servicenodes.schemas import ComparisonOut
from servicenodes.services.proofs import Row, evidence_for
from servicenodes.services.proving import compare_versions

SECTION = Section(router, "comparisons")
COMPARISON = "/certificates/{name}/versions/{number}/comparison"
MOST_ROWS = 1000


@owned(
    SECTION,
    "POST",
    COMPARISON,
    Permission.CERTIFICATE_IMPORT,
    answers={202: ComparisonOut},
    problems=(404, 409, 422),
)
def start_comparison(request: ApiRequest, name: str, number: Number) -> Status[dict[str, object]]:
    """Test every node that presents the certificate, with the active version and with this one.

    A worker makes the tests; GET the same address until `finished`. 409 while they run, and for a version that cannot
    be presented. Needs the permission `node.test`, too.
    """
    version = _find(request, name, number)
    compare_versions(actor=request.actor, certificate=version.certificate, number=number)
    return Status(202, _told(request, version))


@owned(SECTION, "GET", COMPARISON, Permission.VIEW, answers={200: ComparisonOut}, problems=(404, 422))
def get_comparison(request: ApiRequest, name: str, number: Number) -> dict[str, object]:
    """What the last comparison of the version has proven, node by node."""
    return _told(request, _find(request, name, number))


def _find(request: ApiRequest, name: str, number: int) -> CertificateVersion:
    certificate = find(request, name)
    version: CertificateVersion | None = certificate.versions.filter(number=number, not_after__isnull=False).first()
    if version is None:
        raise NotFound("no such version with a certificate")
    version.certificate = certificate
    return version


def _told(request: ApiRequest, version: CertificateVersion) -> dict[str, object]:
    evidence = evidence_for(version, request.token)
    proof = evidence.comparison
    return {
        "certificate": version.certificate.path,
        "version": version.number,
        "active": proof.now_version.number if proof and proof.now_version else None,
        "requested_at": proof.requested_at if proof else None,
        "requested_by": proof.requested_by if proof else None,
        "finished": proof is not None and not evidence.live,
        "green": evidence.green,
        "text": evidence.text,
        "counts": Counter(row.difference.outcome.value for row in evidence.rows),
        "nodes": [_row(row) for row in evidence.rows[:MOST_ROWS]],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "node": None if row.hidden else row.node.path,
        "outcome": row.difference.outcome,
        "text": row.difference.text,
        "now": None if row.hidden else _side(row.now),
        "next": None if row.hidden else _side(row.next),
    }


def _side(test: ConnectionTest | None) -> dict[str, object] | None:
    if test is None:
        return None
    return {"verdict": test.verdict, "reason": test.reason, "summary": test.summary, "test": test.pk}
