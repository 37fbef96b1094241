"""Who acts. Every service takes an `Actor`; every audit row copies its name, which outlives the user."""

from __future__ import annotations

import getpass
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botplatform.accounts.models import User
    from botplatform.bots.models import ApiToken


class ActorKind(StrEnum):
    """Through which door the actor proved who it is."""

    USER = "user"  # signed in to the console, or named with --actor
    OPERATING_SYSTEM = "operating_system"  # whoever may run manage.py; has every permission
    PLATFORM = "platform"  # the product itself: workers, schedules
    TOKEN = "token"  # noqa: S105 — a program with an API token; never more than its creator may do


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit trail records it.

    `user` is None for the operating system and the platform; a token's is its creator. `token` is None for others.
    """

    kind: ActorKind
    name: str
    user: User | None = None
    token: ApiToken | None = None

    @property
    def user_id(self) -> uuid.UUID | None:
        """The user who acts in person. A token is not its creator."""
        return None if self.user is None or self.kind is not ActorKind.USER else self.user.pk

    @property
    def recorded_id(self) -> uuid.UUID | None:
        """What the audit trail names: the user, or the token."""
        return self.user_id if self.token is None else self.token.pk

    @classmethod
    def of(cls, user: User) -> Actor:
        return cls(ActorKind.USER, user.get_username(), user)

    @classmethod
    def of_token(cls, token: ApiToken) -> Actor:
        """Whoever holds the token. Needs `created_by` loaded."""
        name = f"token {token.prefix} of {token.created_by.get_username()}"
        return cls(ActorKind.TOKEN, name, token.created_by, token)

    @classmethod
    def operating_system(cls) -> Actor:
        """The operating system's user: who may run `manage.py` may read the key file anyway."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # a container may run under a uid without a name
            name = "unknown"
        return cls(ActorKind.OPERATING_SYSTEM, name)

    @classmethod
    def platform(cls) -> Actor:
        return cls(ActorKind.PLATFORM, "platform")
