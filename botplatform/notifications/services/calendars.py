"""Calendar feeds: whoever knows the address reads when a bot's certificates expire.

A calendar client cannot sign in, so the address holds a secret. Only its digest is stored, and it opens no more than
its creator may see at that moment.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, NotAllowed
from botplatform.notifications.models import CalendarFeed

SECRET_BYTES = 32
MOST_OF_ONE, MOST = 5, 100  # feeds of a bot: by one person, and in all
USE_NOTED_EVERY = timedelta(hours=1)


@transaction.atomic
@sensitive_variables()
def add_feed(*, actor: Actor, bot: Bot) -> tuple[CalendarFeed, str]:
    """A feed of `bot` in the name of the user who acts, and its secret, shown this once.

    Raises `NotAllowed`, and `Conflict` (too many).
    """
    authorize(actor, Permission.VIEW, bot=bot)
    if actor.user is None or actor.kind is not ActorKind.USER:
        raise NotAllowed("A calendar feed belongs to a person: sign in to make one.")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    feed = CalendarFeed.objects.create(bot=bot, created_by=actor.user, digest=_digest(secret))
    _record(actor, Action.CALENDAR_ADDED, feed)
    _refuse_more(feed)
    return feed, secret


@transaction.atomic
def remove_feed(*, actor: Actor, feed: CalendarFeed) -> None:
    """Its address opens nothing any more: one's own, or anybody's with the right to change the bot. `NotAllowed`."""
    if actor.user_id != feed.created_by_id:
        authorize(actor, Permission.BOT_CHANGE, bot=feed.bot)
    key = feed.pk
    feed.delete()
    feed.pk = key  # Django clears it
    _record(actor, Action.CALENDAR_REMOVED, feed)


@sensitive_variables()
def open_feed(*, slug: str, secret: str) -> Bot | None:
    """The bot whose feed this is; None when there is none, or its creator may not see the bot any more."""
    found = CalendarFeed.objects.select_related("bot", "created_by").filter(digest=_digest(secret), bot__slug=slug)
    feed = found.first()
    if feed is None or not Bot.objects.visible_to(feed.created_by).filter(pk=feed.bot_id).exists():
        return None
    now = timezone.now()
    if feed.last_used_at is None or feed.last_used_at <= now - USE_NOTED_EVERY:
        CalendarFeed.objects.filter(pk=feed.pk).update(last_used_at=now)
    return feed.bot


def _refuse_more(feed: CalendarFeed) -> None:
    """Call it after `record()`, which lets one at a time get here."""
    feeds = CalendarFeed.objects.filter(bot=feed.bot)
    if feeds.filter(created_by=feed.created_by).count() > MOST_OF_ONE:
        raise Conflict(f"You have {MOST_OF_ONE} calendar addresses of this bot already. Remove one first.")
    if feeds.count() > MOST:
        raise Conflict(f"This bot has {MOST} calendar addresses already. Remove one that nobody reads first.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _record(actor: Actor, action: Action, feed: CalendarFeed) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="calendar_feed",
        object_id=feed.pk,
        object_name=f"calendar of {feed.bot.slug}",
        bot=feed.bot,
        facts={"of": feed.created_by.username},
    )
