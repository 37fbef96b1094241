"""Who acts. Every service takes an `Actor`; every audit row copies its name, which outlives the user."""

from __future__ import annotations

import getpass
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botplatform.accounts.models import User


class ActorKind(StrEnum):
    """Through which door the actor proved who it is."""

    USER = "user"  # signed in to the console, or named with --actor
    OPERATING_SYSTEM = "operating_system"  # whoever may run manage.py; has every permission
    PLATFORM = "platform"  # the product itself: workers, schedules


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit trail records it. `user` is None for all but users."""

    kind: ActorKind
    name: str
    user: User | None = None

    @property
    def user_id(self) -> uuid.UUID | None:
        return None if self.user is None else self.user.pk

    @classmethod
    def of(cls, user: User) -> Actor:
        return cls(ActorKind.USER, user.get_username(), user)

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
