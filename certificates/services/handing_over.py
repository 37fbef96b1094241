"""The hand-over pack of a version: what a backend's team needs to trust it. Public facts; no key is opened."""

from __future__ import annotations

from cryptography import x509

from botplatform.accounts.actors import Actor
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, NotFound
from certificates.models import CertificateVersion, ChainRole, ClientCertificate, VersionStatus
from certificates.pki.handover.pack import Pack

HANDED_OVER = (VersionStatus.ACTIVE, VersionStatus.STAGED)


def hand_over(
    *, actor: Actor, certificate: ClientCertificate, which: int | VersionStatus = VersionStatus.ACTIVE
) -> tuple[CertificateVersion, Pack]:
    """The version with this number or status, and its pack.

    Raises `NotAllowed`, `NotFound`, and `Conflict` for a version that backends shall not trust (any more).
    """
    authorize(actor, Permission.VIEW, bot=certificate.bot)
    versions = certificate.versions.prefetch_related("chain")
    of_status = isinstance(which, VersionStatus)
    version = (versions.filter(status=which) if of_status else versions.filter(number=which)).first()
    if version is None:
        what = f"{which} version" if of_status else f"version {which}"
        raise NotFound(f"“{certificate.path}” has no {what} to hand over.")
    if version.status not in HANDED_OVER:
        text = (
            f"Version {version.number} of “{certificate.path}” is {version.status}: hand over the active or staged one."
        )
        raise Conflict(text, code="wrong_status")
    return version, pack_of(certificate, version)


def pack_of(certificate: ClientCertificate, version: CertificateVersion) -> Pack:
    """Needs `chain` loaded."""
    chain = sorted(version.chain.all(), key=lambda row: row.position)
    issuers = [_loaded(row.der) for row in chain if row.role == ChainRole.INTERMEDIATE]
    roots = [_loaded(row.der) for row in chain if row.role == ChainRole.ROOT]
    title = f"{certificate.path}, version {version.number} ({version.status})"
    return Pack(title, _loaded(version.leaf_der), tuple(issuers), roots[0] if roots else None)


def file_name(certificate: ClientCertificate, version: CertificateVersion) -> str:
    """`hand-over-acme-bank-version-3.zip`."""
    return f"hand-over-{certificate.path.replace('/', '-')}-version-{version.number}.zip"


def _loaded(der: bytes | memoryview) -> x509.Certificate:
    return x509.load_der_x509_certificate(bytes(der))
