"""Which other certificates the server would probably take, by the issuers it named."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from certificates.lookup import visible_certificates
from certificates.models import CertificateVersion, VersionStatus
from servicenodes.services.presenting import Presented
from servicenodes.tls.observation import Observation

MOST = 5


def suggest_certificates(
    actor: Actor, bot: Bot | None, observation: Observation, presented: Presented, now: datetime
) -> tuple[str, ...]:
    """Names of valid certificates of the bot (or of the platform) under an issuer that the server accepts.

    Empty when the server named no issuers, or when it names an issuer of what was presented. The material that was
    presented is never suggested under another name, and the same material only once.
    """
    named = {name for attempt in observation.attempts for name in attempt.acceptable_cas}
    if not named or named & _issuers(presented.version):
        return ()
    issued = (
        Q(versions__issuer__in=named) | Q(versions__chain__issuer__in=named) | Q(versions__chain__subject__in=named)
    )
    usable = Q(versions__status=VersionStatus.ACTIVE, versions__not_before__lte=now, versions__not_after__gt=now)
    found = visible_certificates(actor).filter(usable & issued).filter(Q(bot=bot) | Q(bot__isnull=True))
    rows = found.annotate(material=F("versions__sha256")).order_by("bot__slug", "name").distinct()
    by_material: dict[str, str] = {}
    for certificate in rows:
        by_material.setdefault(certificate.material, certificate.path)  # type: ignore[attr-defined]
    paths = [path for material, path in by_material.items() if material != presented.client.sha256]
    return tuple(path for path in paths if path != presented.client.certificate)[:MOST]


def _issuers(version: CertificateVersion | None) -> set[str]:
    """All issuers in the chain of what was presented."""
    return {version.issuer, *version.chain.values_list("issuer", flat=True)} if version else set()
