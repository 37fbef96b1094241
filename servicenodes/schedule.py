"""What expires in sight of a user, or of a bot, from every source. Reads only, in a constant number of queries."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.notifications.reminders import HORIZON, Ending
from botplatform.notifications.services.reminding import Plan, plans
from certificates import endings
from servicenodes.models import ServerCertificate
from servicenodes.server_endings import of_server_certificates

AHEAD = timedelta(days=90)
YEARS = timedelta(days=5 * 365)
MOST = 200  # of each source: who has more expiring at once does not read a list


def schedule_for(user: User, now: datetime) -> list[Plan]:
    """What ends, or is reminded of, within the next 90 days: what comes next first."""
    found = _endings(user, None, now + AHEAD + HORIZON, now)
    shown = [plan for plan in plans(found, viewer=user, now=now) if _moment(plan, now) <= now + AHEAD]
    return sorted(shown, key=lambda plan: _moment(plan, now))


def endings_of_bot(bot: Bot, now: datetime) -> list[Ending]:
    """All that ends among what belongs to `bot`, the soonest first."""
    return sorted(_endings(None, bot, now + YEARS, now), key=lambda ending: ending.not_after)


def _moment(plan: Plan, now: datetime) -> datetime:
    """When something happens next: a reminder, else the end."""
    if plan.due:
        return now
    return plan.coming[0] if plan.coming else plan.ending.not_after


def _endings(user: User | None, bot: Bot | None, horizon: datetime, now: datetime) -> list[Ending]:
    def owned(path: str) -> Q:
        """The rows whose owner, at the end of `path`, is the bot, or is in sight of the user."""
        if bot is not None:
            return Q(**{path: bot})
        if user is None or user.is_administrator or user.is_auditor:
            return Q()
        return Q(**{f"{path}__isnull": True}) | Q(**{f"{path}__in": Bot.objects.visible_to(user).values("pk")})

    def soonest(rows, path: str):  # type: ignore[no-untyped-def]
        return endings.until(rows.filter(owned(path)), horizon, now).order_by("not_after")

    return [
        *endings.of_versions(list(soonest(endings.watched_versions(), "certificate__bot")[:MOST]), now),
        *endings.of_anchors(soonest(endings.watched_anchors(), "trust_store__bot")[:MOST]),
        *endings.of_issuers(soonest(endings.watched_issuers(), "version__certificate__bot"), most=MOST),
        *of_server_certificates(soonest(ServerCertificate.objects.all(), "node__bot"), most=MOST),
    ]
