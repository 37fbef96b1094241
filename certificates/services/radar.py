"""The versions on the clientAuth radar. Reads only; what was found at import narrows the search."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Case, Exists, OuterRef, Prefetch, Q, QuerySet, TextField, When
from django.db.models.functions import Cast

from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken
from certificates.models import CertificateVersion, ChainCertificate, ClientCertificate, VersionStatus
from certificates.pki.findings import FindingCode
from certificates.pki.radar import Blip, locate

# Findings are looked for in their JSON as text: SQLite has no other way to look into a list.
LACKS = Q(findings_text__contains=f'"{FindingCode.CLIENT_AUTH_MISSING}"')
LOSES = Q(findings_text__contains=f'"{FindingCode.PUBLIC_CA_CLIENT_AUTH_ENDING}"')


def on_radar(viewer: User | ApiToken | None) -> QuerySet[CertificateVersion]:
    """Active and staged versions without clientAuth, or of a public CA; None sees all. Those without come first."""
    versions = CertificateVersion.objects.filter(status__in=(VersionStatus.ACTIVE, VersionStatus.STAGED))
    if viewer is not None:
        visible = ClientCertificate.objects.visible_to(viewer)
        versions = versions.filter(Exists(visible.filter(pk=OuterRef("certificate"))))
    issuers = ChainCertificate.objects.only("version", "issuer", "position")
    return (
        versions.annotate(findings_text=Cast("findings", TextField()))
        .filter(LACKS | LOSES)
        .select_related("certificate__bot")
        .prefetch_related(Prefetch("chain", issuers))
        .defer("leaf_der")
        .order_by(Case(When(LACKS, then=0), default=1), "not_after", "pk")
    )


def blip_of(version: CertificateVersion, now: datetime) -> Blip:
    """Where it stands. Needs `chain` loaded."""
    lacks = any(found.get("code") == FindingCode.CLIENT_AUTH_MISSING for found in version.findings)
    issuers = [version.issuer, *(issuer.issuer for issuer in version.chain.all())]
    return locate(lacks=lacks, issuers=issuers, not_after=version.not_after, now=now)


def active_blips(viewer: User | ApiToken | None, now: datetime) -> dict[uuid.UUID, Blip]:
    """Where the active versions on the radar stand, by the key of their certificate."""
    active = on_radar(viewer).filter(status=VersionStatus.ACTIVE)
    return {version.certificate_id: blip_of(version, now) for version in active}
