"""Who belongs to a bot, in which role.

A bot's last active owner stays: only a platform administrator may remove or demote them, because only
administrators can appoint the next one.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import IntegrityError, transaction

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import actor_permissions, authorize
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Permission, Role
from botplatform.errors import Conflict, InvalidInput, NotFound


@transaction.atomic
def add_member(*, actor: Actor, bot: Bot, user: User, role: str) -> Membership:
    """Give `user` a role on `bot`. Raises `Conflict` when they have one already."""
    authorize(actor, Permission.PEOPLE_MANAGE, bot=bot)
    if not user.is_active:
        raise InvalidInput(f"{user.username} is not active.", field="user")
    membership = Membership(bot=bot, user=user, role=_role(role))
    try:
        with transaction.atomic():
            membership.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"{user.username} already belongs to {bot.slug}; change their role instead.") from error
    _record(actor, Action.MEMBER_ADDED, membership, {"role": membership.role})
    return membership


@transaction.atomic
def change_member(*, actor: Actor, membership: Membership, role: str) -> Membership:
    """Give a member another role; the same role changes nothing."""
    authorize(actor, Permission.PEOPLE_MANAGE, bot=membership.bot)
    membership = _lock(membership)
    old, new = membership.role, _role(role)
    if new == old:
        return membership
    if old == Role.OWNER:
        _keep_an_owner(actor, membership)
    membership.role = new
    membership.save(update_fields=["role"])
    _record(actor, Action.MEMBER_CHANGED, membership, {"role": {"from": old, "to": new}})
    return membership


@transaction.atomic
def remove_member(*, actor: Actor, membership: Membership) -> None:
    """End a membership."""
    authorize(actor, Permission.PEOPLE_MANAGE, bot=membership.bot)
    membership = _lock(membership)
    if membership.role == Role.OWNER:
        _keep_an_owner(actor, membership)
    facts = {"role": membership.role}
    member_id = membership.pk
    membership.delete()
    membership.pk = member_id  # Django clears it; the trail still names the row
    _record(actor, Action.MEMBER_REMOVED, membership, facts)


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise InvalidInput(f"“{role}” is not a role.", field="role") from None


def _lock(membership: Membership) -> Membership:
    """The row as it is now. The bot is locked first, so that two owners cannot remove each other at once."""
    Bot.objects.select_for_update().get(pk=membership.bot_id)
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user", "bot")
    locked = rows.filter(pk=membership.pk).first()
    if locked is None:
        raise NotFound("This person does not belong to the bot any more.")
    return locked


def _keep_an_owner(actor: Actor, leaving: Membership) -> None:
    owners = Membership.objects.filter(bot=leaving.bot, role=Role.OWNER, user__is_active=True)
    if owners.exclude(pk=leaving.pk).exists() or Permission.USER_MANAGE in actor_permissions(actor, None):
        return
    raise Conflict(f"{leaving.user.username} is the last owner of {leaving.bot.slug}; make somebody else owner first.")


def _record(actor: Actor, action: Action, membership: Membership, facts: Mapping[str, object]) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="membership",
        object_id=membership.pk,
        object_name=f"{membership.bot.slug}/{membership.user.username}",
        bot=membership.bot,
        facts=facts,
    )
