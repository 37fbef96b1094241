"""Alarms on a certificate's page. As with tests, this app knows of them only through the relation to its versions."""

from __future__ import annotations

from typing import Any

from django.db.models import F

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate

SHOWN = 20


def alarms_of(user: User, certificate: ClientCertificate) -> list[dict[str, Any]]:
    """The open alarms of nodes that the user may see: they fail since a version of it was promoted."""
    open_ones = certificate.versions.filter(
        alarms__isnull=False, alarms__closed_at__isnull=True, alarms__node__bot__in=Bot.objects.visible_to(user)
    )
    rows = open_ones.order_by("-alarms__raised_at").values(
        "number",
        key=F("alarms__pk"),
        before=F("alarms__before__number"),
        verdict=F("alarms__verdict"),
        summary=F("alarms__summary"),
        raised_at=F("alarms__raised_at"),
        node=F("alarms__node__slug"),
        bot=F("alarms__node__bot__slug"),
    )
    return [dict(row) for row in rows[:SHOWN]]
