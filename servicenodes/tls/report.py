"""The contract's JSON of a connection test, from facts and judgement. Pure. A private key cannot get here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certificates.pki.inspection import Finding
from servicenodes.tls.judgement import Judgement, Verdict
from servicenodes.tls.names import UNREADABLE, issuer_text, subject_text
from servicenodes.tls.observation import Attempt, AttemptKind, Observation, Sent, Step
from servicenodes.tls.reproduce import commands

# Where another certificate could help; elsewhere the names of other certificates only mislead.
SUGGESTING = (Verdict.REJECTED, Verdict.NO_CERTIFICATE, Verdict.CERTIFICATE_NOT_SENT)


@dataclass(frozen=True, slots=True)
class ClientSide:
    """Which client certificate the test used: `bot-slug/name`, version number, SHA-256 of the leaf, and who chose it.

    `source` is `node`, `bot`, `platform`, `option` or `none`.
    """

    certificate: str | None = None
    version: int | None = None
    sha256: str | None = None
    source: str = "none"


def build_report(
    observation: Observation,
    judgement: Judgement,
    *,
    node: str | None,
    url: str,
    started_at: datetime,
    duration_ms: float,
    client: ClientSide,
    suggested_certificates: Sequence[str] = (),
) -> dict[str, Any]:
    """One JSON-ready document. `started_at` is aware; `node` is `bot-slug/node-slug` or None."""
    real = observation.real
    shown = real or observation.control
    return {
        "node": node,
        "url": url,
        "started_at": _time(started_at),
        "duration_ms": round(duration_ms, 1),
        "verdict": str(judgement.verdict),
        "reason": str(judgement.reason),
        "certainty": str(judgement.certainty),
        "layer": str(judgement.layer),
        "summary": judgement.summary,
        "advice": list(judgement.advice),
        "steps": [step_as_json(step) for step in observation.steps],
        "server": _server(observation),
        "certificate_request": _certificate_request(shown),
        "client_certificate": {
            "certificate": client.certificate,
            "version": client.version,
            "sha256": client.sha256,
            "source": client.source,
            "sent": str(real.sent if real is not None else Sent.NO),
        },
        "attempts": {
            "control": _attempt(observation.control),
            "real": _attempt(real),
            "canary": _attempt(observation.canary),
        },
        "http": {"status": real.http.status} if real is not None and real.http is not None else None,
        "findings": [finding_as_json(finding) for finding in judgement.findings],
        "suggested_certificates": list(suggested_certificates) if judgement.verdict in SUGGESTING else [],
        "reproduce": commands(observation),
    }


def step_as_json(step: Step) -> dict[str, Any]:
    """One step of the timeline, as stored while a test runs and as in the report."""
    return {"name": str(step.name), "status": str(step.status), "detail": step.detail, "ms": step.ms}


def finding_as_json(finding: Finding) -> dict[str, str]:
    """One finding."""
    return {"code": str(finding.code), "severity": str(finding.severity), "text": finding.text}


def _server(observation: Observation) -> dict[str, Any]:
    """From the attempt that saw most; the first one collected every verification error."""
    first = observation.first
    best = observation.real if observation.real is not None and observation.real.chain else first
    attempt = best or Attempt(kind=AttemptKind.REAL)
    errors = [error for seen in observation.attempts for error in seen.verify_errors]
    trusted = False if errors else attempt.trusted
    return {
        "address": attempt.address,
        "tls_version": attempt.tls_version,
        "cipher": attempt.cipher,
        "group": attempt.group,
        "alpn": attempt.alpn,
        "chain": [_certificate(certificate) for certificate in attempt.chain],
        "trusted": trusted,
        "verify_errors": [
            {"code": error.code, "depth": error.depth, "subject": error.subject} for error in dict.fromkeys(errors)
        ],
        "hostname_matched": attempt.hostname_matched,
    }


def _certificate_request(attempt: Attempt | None) -> dict[str, Any]:
    return {
        "seen": attempt is not None and attempt.requested,
        "late": attempt is not None and attempt.requested_late,
        "acceptable_cas": list(attempt.acceptable_cas) if attempt is not None else [],
        "signature_algorithms": list(attempt.signature_algorithms) if attempt is not None else [],
    }


def _attempt(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    return {
        "address": attempt.address,
        "ms": round(attempt.ms, 1),
        "failure": None if attempt.failure is None else str(attempt.failure),
        "tls_version": attempt.tls_version,
        "handshake_completed": attempt.handshake_completed,
        "certificate_requested": attempt.requested,
        "sent": str(attempt.sent),
        "ending": str(attempt.ending),
        "alerts": [
            {"name": alert.name, "code": alert.code, "fatal": alert.fatal, "received": alert.received}
            for alert in attempt.alerts
        ],
        "local_error": attempt.local_error or None,
        "http_status": attempt.http.status if attempt.http is not None else None,
    }


def _certificate(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": subject_text(certificate),
        "issuer": issuer_text(certificate),
        "serial": f"{certificate.serial_number:x}",
        "not_before": _time(certificate.not_valid_before_utc),
        "not_after": _time(certificate.not_valid_after_utc),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "san": _san(certificate),
    }


def _san(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
