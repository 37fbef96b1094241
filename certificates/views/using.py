"""Where a certificate or a trust store is used: nodes by name, those in foreign bots counted."""

from __future__ import annotations

from typing import Any

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, TrustStore

NODES_SHOWN = 50


def attached_nodes(user: User, instance: ClientCertificate | TrustStore) -> dict[str, Any]:
    """What `certificates/_attached.html` shows. This app knows of nodes only through their relation."""
    every = instance.service_nodes.select_related("bot")
    nodes = every.filter(bot__in=Bot.objects.visible_to(user))
    used, visible = every.count(), nodes.count()
    return {
        "nodes": nodes[:NODES_SHOWN],
        "used": used,
        "unnamed": max(visible - NODES_SHOWN, 0),
        "hidden": used - visible,
    }
