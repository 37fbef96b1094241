"""What is doubtful about a trust anchor: it is stored all the same, and said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from certificates.pki import display
from certificates.pki.facts import extension_of
from certificates.pki.inspection import CertificateFacts


def anchor_warnings(anchors: Iterable[CertificateFacts], *, now: datetime) -> tuple[str, ...]:
    """One sentence for each anchor that is no CA (RFC 5280, section 4.2.1.9) or has expired. `now` is aware UTC."""
    return tuple(
        f"“{display.short_name(facts.subject)}” {doubt}."
        for facts in anchors
        for doubt in (_no_authority(facts), _expired(facts, now))
        if doubt
    )


def _no_authority(facts: CertificateFacts) -> str | None:
    """The first version of X.509 has no extensions: its self-signed certificates are taken for CAs everywhere."""
    certificate = x509.load_der_x509_certificate(facts.der)
    constraints = extension_of(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        return None
    if certificate.version is x509.Version.v1 and facts.subject == facts.issuer:
        return None
    return "is not a CA: it verifies only a server that presents this very certificate"


def _expired(facts: CertificateFacts, now: datetime) -> str | None:
    return None if facts.not_after > now else f"has expired on {display.day(facts.not_after)}"
