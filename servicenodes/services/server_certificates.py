"""The servers' own certificates, as tests see them: noted with each test, and watched for their expiry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from django.urls import reverse
from django.utils import timezone

from botplatform.bots.models import Bot
from botplatform.console import moments
from botplatform.notifications.reminders import HORIZON, Ending
from botplatform.notifications.services.reminding import remind
from certificates.endings import until
from certificates.pki.display import short_name
from servicenodes.models import ConnectionTest, ServerCertificate


def note(test: ConnectionTest) -> None:
    """Remember the leaf that the server presented in a finished test, if it presented one."""
    chain = ((test.report or {}).get("server") or {}).get("chain") or []
    times = [moments.parse(chain[0][name]) for name in ("not_before", "not_after")] if chain else []
    if not chain or not all(times):
        return
    values = {
        "target": test.target,
        "subject": chain[0]["subject"],
        "sha256": chain[0]["sha256"],
        "not_before": times[0],
        "not_after": times[1],
        "seen_at": test.finished_at,
    }
    ServerCertificate.objects.update_or_create(node_id=test.node_id, defaults=values)


def watch_server_certificates() -> int:
    """Remind of server certificates that end. A duty. Returns how many reminders were posted."""
    now = timezone.now()
    return remind(endings(until(ServerCertificate.objects.all(), now + HORIZON, now)), now=now)


def endings(rows: QuerySet[ServerCertificate]) -> list[Ending]:
    """Each certificate once for each bot, however many of its nodes met it. Two queries."""
    grouped = rows.order_by("not_after", "sha256").values("sha256", "subject", "not_before", "not_after", "node__bot")
    counted = grouped.annotate(nodes=Count("*"), node=Min("node__slug"), target=Min("target"), seen_at=Max("seen_at"))
    found = list(counted)
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
        advice=f"A test saw it on {moments.minute(seen)} UTC. Test again: is it still there, tell who runs the server.",
        by_others=True,
        data={"kind": "server", "server": row["target"], "node": f"{bot.slug}/{row['node']}", "sha256": row["sha256"]},
    )
