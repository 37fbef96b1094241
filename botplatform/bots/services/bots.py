"""Creating and changing bots."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from botplatform.validation import check_model, one_line


@transaction.atomic
def create_bot(*, actor: Actor, slug: str, name: str = "") -> Bot:
    """Make a bot; `name` defaults to the slug. Raises `NotAllowed`, `InvalidInput`, or `Conflict` for a taken slug."""
    authorize(actor, Permission.BOT_CREATE, bot=None)
    if slug == PLATFORM_SLUG:
        raise InvalidInput(f"“{PLATFORM_SLUG}” names the platform itself; choose another slug.", field="slug")
    bot = Bot(slug=slug, name=one_line(name or slug, field="name", label="The name", max_length=200))
    check_model(bot)
    try:
        with transaction.atomic():
            bot.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"There is already a bot called “{slug}”.") from error
    _record(actor, Action.BOT_CREATED, bot, {"name": bot.name})
    return bot


@transaction.atomic
def change_bot(*, actor: Actor, bot: Bot, name: str) -> Bot:
    """Rename a bot. Its slug never changes: scripts and audit rows name it. The same name changes nothing."""
    authorize(actor, Permission.BOT_CHANGE, bot=bot)
    bot = Bot.objects.select_for_update().get(pk=bot.pk)
    new_name = one_line(name, field="name", label="The name", max_length=200)
    if new_name != bot.name:
        facts = {"name": {"from": bot.name, "to": new_name}}
        bot.name = new_name
        bot.save(update_fields=["name"])
        _record(actor, Action.BOT_CHANGED, bot, facts)
    return bot


def _record(actor: Actor, action: Action, bot: Bot, facts: Mapping[str, object]) -> None:
    trail.record(
        actor=actor, action=action, object_type="bot", object_id=bot.pk, object_name=bot.slug, bot=bot, facts=facts
    )
