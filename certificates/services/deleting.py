"""Deleting what nothing uses, and saying where it is used otherwise.

This app does not know who uses its objects: the database protects them, and Django names the protectors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError

from botplatform.accounts.actors import Actor
from botplatform.errors import Conflict
from certificates.lookup import visible_bots

NAMED = 5  # so many users of an object are named, the rest are counted


def delete_unused(instance: Model, *, actor: Actor, what: str) -> None:
    """Delete `instance`. Raises `Conflict` that names, within what the actor may see, where it is in use."""
    try:
        with transaction.atomic():
            instance.delete()
    except ProtectedError as error:
        raise Conflict(f"{what} is in use by {places(error.protected_objects, actor)}.", code="in_use") from error
    except IntegrityError as error:
        raise Conflict(f"{what} has just come into use.", code="in_use") from error


def places(users: Iterable[Any], actor: Actor) -> str:
    """The users of an object in words: those that the actor may see by name, the others counted."""
    users = list(users)
    # None: whoever may delete something knows what of the platform uses it.
    visible = {None, *visible_bots(actor).values_list("pk", flat=True)}
    paths = sorted(user.path for user in users if user.bot_id in visible)
    named = [f"“{path}”" for path in paths[:NAMED]]
    if more := len(paths) - len(named):
        named.append(f"{more} more")
    if hidden := len(users) - len(paths):
        named.append("a bot you may not open" if hidden == 1 else f"{hidden} places in bots you may not open")
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
