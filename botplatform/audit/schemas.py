"""The audit trail in the HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import Field

from botplatform.audit.actions import Action


class TrailQuery(Schema):
    """Every value narrows; none is needed."""

    bot: str = Field(default="", max_length=63, description="Slug of a bot, or `platform`.")
    action: Action | None = Field(default=None, description="For example `certificate.attached`.")
    object_id: UUID | None = Field(default=None, description="The id of an object, as events name it.")


class EventOut(Schema):
    """One thing that happened."""

    position: int
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    action: str
    bot_id: UUID | None
    object_type: str
    object_id: str
    object_name: str
    facts: dict[str, Any]
    hash: str


class EventPage(Schema):
    """A page of events, newest first."""

    items: list[EventOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")
