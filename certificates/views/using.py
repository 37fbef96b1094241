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


def other_users(user: User, store: TrustStore) -> dict[str, Any]:
    """Issuers and webhooks whose servers the store proves: those the user may know of by path, and how many more.

    Everybody knows the platform's issuers, but not where its webhooks go.
    """
    bots = set(Bot.objects.visible_to(user).values_list("pk", flat=True))
    issuers, webhooks = store.issuers.select_related("bot"), store.webhooks.select_related("endpoint__bot")
    oversees = user.is_administrator or user.is_auditor
    known = [found.path for found in issuers if found.bot_id in {None, *bots}]
    known += [found.path for found in webhooks if found.bot_id in bots or (found.bot_id is None and oversees)]
    return {"others": sorted(known), "others_hidden": len(issuers) + len(webhooks) - len(known)}
