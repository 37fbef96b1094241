"""The certificate and version that a test's report names, to be linked to."""

from __future__ import annotations

from dataclasses import dataclass

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.errors import NotFound
from certificates.lookup import find_certificate
from certificates.models import CertificateVersion, ClientCertificate
from certificates.services.handing_over import HANDED_OVER
from servicenodes.models import ConnectionTest
from servicenodes.tls.judgement import Verdict

ABOUT_IT = {Verdict.REJECTED, Verdict.HTTP_REFUSED}  # the advice is to give the backend's team something


@dataclass(frozen=True, slots=True)
class Named:
    """As far as they are still there and the user may see them."""

    certificate: ClientCertificate | None = None
    version: CertificateVersion | None = None
    hand_over: bool = False  # the pack of the version helps with the verdict


def named_in(user: User, test: ConnectionTest) -> Named:
    """What to link to. Two queries."""
    path = ((test.report or {}).get("client_certificate") or {}).get("certificate")
    try:
        certificate = find_certificate(Actor.of(user), path) if path else None
    except NotFound:
        certificate = None
    version = test.version
    if certificate is None or version is None or version.certificate_id != certificate.pk:
        return Named(certificate)
    return Named(certificate, version, test.verdict in ABOUT_IT and version.status in HANDED_OVER)
