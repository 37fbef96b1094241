"""Material that is valid only later: it must not take the place of a version that works today."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from certificates.models import ClientCertificate, VersionStatus
from certificates.services.storing import Order


def hold_back(order: Order) -> tuple[Order, datetime | None]:
    """The order, staged if it would replace a version that is valid now by one that is not valid yet.

    The time, in UTC, is when the material becomes valid; None: nothing was held back.
    """
    leaf, now = order.inspection.leaf, timezone.now()
    if order.stage or leaf is None or leaf.not_before <= now:
        return order, None
    certificates = ClientCertificate.objects.of_owner(order.owner).filter(name=order.name)
    valid = certificates.filter(
        versions__status=VersionStatus.ACTIVE, versions__not_before__lte=now, versions__not_after__gt=now
    )
    return (replace(order, stage=True), leaf.not_before) if valid.exists() else (order, None)


def sentence(valid_from: datetime, *, stored: bool = True) -> str:
    """What to tell whoever imported it, or (not `stored`) asked what an import would do."""
    verb = "is" if stored else "would be"
    return f"It {verb} staged: it is not valid before {valid_from:%Y-%m-%d %H:%M} UTC; promote it from that day on."
