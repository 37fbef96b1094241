"""Narrowing the list of certificates. Reads only; a constant number of queries however long the list is."""

from __future__ import annotations

import re
from datetime import datetime

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from botplatform.bots.models import PLATFORM_SLUG
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificateQuerySet, VersionStatus

SEPARATORS = re.compile(r"[\s:.-]|^0x")
HEXADECIMAL = re.compile(r"[0-9a-f]{4,}")
LIVING = (VersionStatus.ACTIVE, VersionStatus.STAGED, VersionStatus.RETIRED)


def with_expiry(certificates: ClientCertificateQuerySet) -> ClientCertificateQuerySet:
    """Adds `expires_at` of the active version; None without one."""
    active = FilteredRelation("versions", condition=Q(versions__status=VersionStatus.ACTIVE))
    return certificates.annotate(active=active).annotate(expires_at=F("active__not_after"))


def search(certificates: ClientCertificateQuerySet, text: str) -> ClientCertificateQuerySet:
    """Those whose name, bot, subject, issuer, serial or SHA-256 fits; separators in hexadecimal do not matter."""
    versions = CertificateVersion.objects.filter(certificate=OuterRef("pk"), status__in=LIVING)
    fits = Q(subject__icontains=text) | Q(issuer__icontains=text)
    digits = SEPARATORS.sub("", text.lower())
    if HEXADECIMAL.fullmatch(digits):
        fits |= Q(serial=digits.lstrip("0")) | Q(serial=digits) | Q(sha256__startswith=digits)
    bot, slash, name = text.partition("/")
    if slash:
        named = Q(name__startswith=name) & (Q(bot__isnull=True) if bot == PLATFORM_SLUG else Q(bot__slug=bot))
    else:
        named = Q(name__icontains=text) | Q(bot__slug__icontains=text)
    return certificates.filter(named | Exists(versions.filter(fits)))


def show(certificates: ClientCertificateQuerySet, what: str, now: datetime) -> ClientCertificateQuerySet:
    """The choice of the filter: expiring, expired, default, or all."""
    if what == "expiring":
        return with_expiry(certificates).filter(expires_at__lte=now + EXPIRES_SOON)  # type: ignore[misc]
    if what == "expired":
        return with_expiry(certificates).filter(expires_at__lte=now)  # type: ignore[misc]
    return certificates.filter(is_default=True) if what == "default" else certificates
