"""Which rows a viewer may know of, where they have a nullable `bot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from botplatform.bots.models import Bot

if TYPE_CHECKING:
    from botplatform.accounts.models import User
    from botplatform.bots.models import ApiToken


def visible_filter(viewer: User | ApiToken) -> Q:
    """Objects with a nullable `bot`: the viewer's bots, and what belongs to the platform."""
    if viewer.is_administrator or viewer.is_auditor:
        return Q()  # all there is: a condition that every row meets would only cost time
    return Q(bot__isnull=True) | Q(bot__in=Bot.objects.visible_to(viewer).values("pk"))
