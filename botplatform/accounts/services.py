"""Creating and changing users, and putting sign-ins on record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.accounts.models import PlatformRole, User
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from botplatform.validation import check_model, one_line

_CHANGEABLE = ("full_name", "email", "platform_role", "is_active")


@transaction.atomic
def create_user(
    *, actor: Actor, username: str, password: str, platform_role: str = "", full_name: str = "", email: str = ""
) -> User:
    """Make somebody who can sign in. Raises `NotAllowed`, `InvalidInput` (also for a weak password), `Conflict`."""
    authorize(actor, Permission.USER_MANAGE, bot=None)
    user = User(
        username=User.normalize_username(username),
        platform_role=platform_role,
        full_name=_full_name(full_name),
        email=User.objects.normalize_email(email),
    )
    _set_password(user, password)
    check_model(user)
    _refuse_lookalike(user.username)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(f"There is already a user called “{user.username}”.") from error
    _record(actor, Action.USER_CREATED, user, {"platform_role": user.platform_role})
    return user


@transaction.atomic
def change_user(*, actor: Actor, user: User, **changes: Any) -> User:
    """Change `full_name`, `email`, `platform_role` or `is_active`. Values that stay the same change nothing.

    The last active administrator can be demoted or switched off from the command line only, and nobody by themselves.
    """
    authorize(actor, Permission.USER_MANAGE, bot=None)
    if unknown := set(changes) - set(_CHANGEABLE):
        raise InvalidInput(f"A user has no changeable field “{sorted(unknown)[0]}”.")
    user = _lock_with_administrators(user)
    if "full_name" in changes:
        changes["full_name"] = _full_name(changes["full_name"])
    facts = {
        name: {"from": getattr(user, name), "to": value}
        for name, value in changes.items()
        if getattr(user, name) != value
    }
    if not facts:
        return user
    was_administrator = user.is_administrator
    for name in facts:
        setattr(user, name, changes[name])
    check_model(user)
    if was_administrator and not user.is_administrator:
        _keep_an_administrator(actor, user)
    if actor.user_id == user.pk and not user.is_active:
        raise InvalidInput("You cannot switch yourself off: ask another administrator.", field="is_active")
    user.save(update_fields=list(facts))
    _record(actor, Action.USER_CHANGED, user, facts)
    return user


@transaction.atomic
def change_password(*, actor: Actor, user: User, password: str) -> User:
    """Give `user` a new password: anybody their own, administrators anybody's. Ends the user's other sessions."""
    if actor.user_id != user.pk:
        authorize(actor, Permission.USER_MANAGE, bot=None)
    user = User.objects.select_for_update().get(pk=user.pk)
    _set_password(user, password)
    user.save(update_fields=["password"])
    _record(actor, Action.USER_CHANGED, user, {"changed": "password"})
    return user


@transaction.atomic
def record_sign_in(*, user: User, address: str) -> None:
    """Put a sign-in on record. `address` is the client's, as the server saw it."""
    _record(Actor.of(user), Action.USER_SIGNED_IN, user, {"address": address})


@transaction.atomic
def record_sign_out(*, user: User) -> None:
    """Put a sign-out on record."""
    _record(Actor.of(user), Action.USER_SIGNED_OUT, user, {})


@transaction.atomic
def record_failed_sign_in(*, username: str, address: str) -> None:
    """Put a failed sign-in on record.

    A name that no user has is left out: people type their password into the wrong field.
    """
    user = User.objects.filter(username=username).first() if "\0" not in username else None
    trail.record(
        actor=Actor.platform(),
        action=Action.USER_SIGN_IN_FAILED,
        object_type="user",
        object_id=user.pk if user else "",
        object_name=user.username if user else "unknown user",
        bot=None,
        facts={"address": address},
    )


def _refuse_lookalike(username: str) -> None:
    """“Anna” beside “anna” would be taken for her. One at a time: whoever makes users is among the locked, or first.

    Names are compared here, since SQLite tells only ASCII letters apart from their capitals.
    """
    list(User.objects.filter(platform_role=PlatformRole.ADMINISTRATOR).order_by("pk").select_for_update())
    for name in User.objects.values_list("username", flat=True):
        if name.casefold() == username.casefold():
            raise Conflict(f"There is already a user called “{name}”.")


def _full_name(value: str) -> str:
    return one_line(value, field="full_name", label="The full name", max_length=150, required=False)


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field="password") from error
    user.set_password(password)


def _lock_with_administrators(user: User) -> User:
    """The row as it is now. Administrators are locked along, always in one order: two may switch each other off."""
    rows = User.objects.filter(Q(pk=user.pk) | Q(platform_role=PlatformRole.ADMINISTRATOR)).order_by("pk")
    locked: User = next(row for row in rows.select_for_update() if row.pk == user.pk)
    return locked


def _keep_an_administrator(actor: Actor, leaving: User) -> None:
    others = User.objects.filter(platform_role=PlatformRole.ADMINISTRATOR, is_active=True).exclude(pk=leaving.pk)
    if actor.kind is not ActorKind.OPERATING_SYSTEM and not others.exists():
        raise Conflict(f"{leaving.username} is the last platform administrator; appoint another one first.")


def _record(actor: Actor, action: Action, user: User, facts: Mapping[str, object]) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="user",
        object_id=user.pk,
        object_name=user.username,
        bot=None,
        facts=facts,
    )
