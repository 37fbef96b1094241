"""What expires in the next 400 days, by month and kind. Reads only, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Substr

from botplatform.accounts.models import User
from certificates.models import (
    CertificateVersion,
    ChainCertificate,
    ChainRole,
    ClientCertificate,
    TrustAnchor,
    TrustStore,
    VersionStatus,
)

HORIZON = timedelta(days=400)
# A month is the beginning of the time's text: taking it from the date would cost SQLite a call of Python for each row.
MONTH = Substr(Cast("not_after", CharField()), 1, len("2026-11"))
LEAFS, INTERMEDIATES, ROOTS, ANCHORS = "leafs", "intermediates", "roots", "trust anchors"
OF_ROLE = {ChainRole.INTERMEDIATE: INTERMEDIATES, ChainRole.ROOT: ROOTS}
KINDS = (LEAFS, INTERMEDIATES, ROOTS, ANCHORS)
Expiries = list[tuple[date, dict[str, int]]]  # the first day of each month that the 400 days touch


def soon_gone(now: datetime) -> Q:
    """Valid now, and no longer in 400 days."""
    return Q(not_after__gt=now, not_after__lte=now + HORIZON)


def expiries(user: User, now: datetime, leafs: dict[str, int]) -> Expiries:
    """`leafs` counts the active versions by month; what several chains or trust stores share counts once."""
    versions = CertificateVersion.objects.filter(pk=OuterRef("version"), status=VersionStatus.ACTIVE)
    if not (user.is_administrator or user.is_auditor):
        versions = versions.filter(certificate__in=ClientCertificate.objects.visible_to(user))
    issuers = ChainCertificate.objects.filter(soon_gone(now)).filter(
        Exists(versions)
    )  # few expire: from them to their versions
    stores = TrustStore.objects.visible_to(user)
    anchors = TrustAnchor.objects.filter(soon_gone(now), trust_store__in=stores)
    found = {(LEAFS, month): count for month, count in leafs.items()}
    found |= {(OF_ROLE[role], month): count for role, month, count in _distinct(issuers, "role")}
    found |= {(ANCHORS, month): count for month, count in _distinct(anchors)}
    return [(month, {kind: found.get((kind, f"{month:%Y-%m}"), 0) for kind in KINDS}) for month in _months(now)]


def _distinct(rows: QuerySet[Any], *fields: str) -> Any:
    """How many different certificates there are in each month, for each value of the fields."""
    counted = rows.order_by().values(*fields, month=MONTH).annotate(n=Count("sha256", distinct=True))
    return counted.values_list(*fields, "month", "n")


def _months(now: datetime) -> Iterator[date]:
    end = (now + HORIZON).date()
    month = now.date().replace(day=1)
    while month <= end:
        yield month
        month = (month + timedelta(days=31)).replace(day=1)
