"""Creating and changing bots."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import PLATFORM_SLUG, SLUG_LENGTH, Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput, NotFound, Stale
from botplatform.validation import check_model, one_line, refuse_route, slug_from


@transaction.atomic
def create_bot(*, actor: Actor, slug: str = "", name: str = "") -> Bot:
    """Make a bot. `name` defaults to the slug, and the slug to one made from the name.

    Raises `NotAllowed`, `InvalidInput`, or `Conflict` for a taken slug.
    """
    authorize(actor, Permission.BOT_CREATE, bot=None)
    slug = slug or _slug_for(name)
    if slug == PLATFORM_SLUG:
        raise InvalidInput(f"“{PLATFORM_SLUG}” names the platform itself; choose another short name.", field="slug")
    refuse_route(slug, "new", field="slug")
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
def change_bot(*, actor: Actor, bot: Bot, name: str, expected_revision: int | None = None) -> Bot:
    """Rename a bot. Its slug never changes: scripts and audit rows name it. The same name changes nothing.

    Raises `NotAllowed`, `NotFound`, `InvalidInput`, and `Stale` when `expected_revision` is given and past.
    """
    authorize(actor, Permission.BOT_CHANGE, bot=bot)
    bot = _lock(bot, expected_revision)
    new_name = one_line(name, field="name", label="The name", max_length=200)
    if new_name != bot.name:
        facts = {"name": {"from": bot.name, "to": new_name}}
        bot.name = new_name
        bot.revision += 1
        bot.save(update_fields=["name", "revision"])
        _record(actor, Action.BOT_CHANGED, bot, facts)
    return bot


@transaction.atomic
def delete_bot(*, actor: Actor, bot: Bot, expected_revision: int | None = None) -> None:
    """Delete a bot that owns nothing any more, with its memberships. Its audit events stay.

    Whoever may create bots may delete them. Raises `NotAllowed`, `NotFound`, `Stale`,
    and `Conflict` while it owns something.
    """
    authorize(actor, Permission.BOT_CREATE, bot=None)
    locked = _lock(bot, expected_revision)
    key, facts = locked.pk, {"name": locked.name}
    try:
        with transaction.atomic():
            locked.delete()
    except ProtectedError as error:
        kinds = sorted({str(owned._meta.verbose_name_plural) for owned in error.protected_objects})
        raise Conflict(f"The bot {bot.slug} still owns {' and '.join(kinds)}. Delete them first.") from error
    locked.pk = key  # Django clears it
    _record(actor, Action.BOT_DELETED, locked, facts)


def _slug_for(name: str) -> str:
    if slug := slug_from(name, max_length=SLUG_LENGTH):
        return slug
    text = "No short name can be made from this name. Give one: lower-case letters, digits and hyphens."
    raise InvalidInput(text, field="slug" if name.strip() else "name")


def _lock(bot: Bot, expected_revision: int | None) -> Bot:
    locked = Bot.objects.select_for_update().filter(pk=bot.pk).first()
    if locked is None:
        raise NotFound(f"There is no bot “{bot.slug}” any more.")
    if expected_revision not in {None, locked.revision}:
        raise Stale("Somebody changed this bot meanwhile. Look at it again, then repeat your change.")
    return locked


def _record(actor: Actor, action: Action, bot: Bot, facts: Mapping[str, object]) -> None:
    trail.record(
        actor=actor, action=action, object_type="bot", object_id=bot.pk, object_name=bot.slug, bot=bot, facts=facts
    )
