"""When the servers' own certificates end, as the newest tests saw them. Reads only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from django.urls import reverse

from botplatform.bots.models import Bot
from botplatform.console import moments
from botplatform.notifications.reminders import Ending
from certificates.pki.display import short_name
from servicenodes.models import ServerCertificate


def of_server_certificates(rows: QuerySet[ServerCertificate], *, most: int | None = None) -> list[Ending]:
    """Each certificate once for each bot, however many of its nodes met it; at most `most`. Two queries."""
    grouped = rows.order_by("not_after", "sha256").values("sha256", "subject", "not_before", "not_after", "node__bot")
    counted = grouped.annotate(nodes=Count("*"), node=Min("node__slug"), target=Min("target"), seen_at=Max("seen_at"))
    found = list(counted[:most])
    bots = Bot.objects.in_bulk({row["node__bot"] for row in found})
    return [_ending(row, bots[row["node__bot"]]) for row in found]


def _ending(row: dict[str, Any], bot: Bot) -> Ending:
    seen: datetime = row["seen_at"]
    others = row["nodes"] - 1
    met = f"{bot.slug}/{row['node']}" + (f" and {others} other node{'' if others == 1 else 's'}" if others else "")
    return Ending(
        subject=f"server:{bot.pk}:{row['sha256']}",
        name=f"The server certificate of {row['target']}",
        what=f"The certificate of the server {row['target']} ({short_name(row['subject'])}), which {met} met,",
        not_before=row["not_before"],
        not_after=row["not_after"],
        bot=bot,
        link=reverse("servicenodes:node", args=[bot.slug, row["node"]]),
        advice=f"A test saw it on {moments.minute(seen)} UTC. Test again: if it is still there, tell who runs it.",
        by_others=True,
        data={"kind": "server", "server": row["target"], "node": f"{bot.slug}/{row['node']}", "sha256": row["sha256"]},
    )
