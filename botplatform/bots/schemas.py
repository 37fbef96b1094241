"""Documents about bots in the HTTP API."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema
from pydantic import ConfigDict, Field

from botplatform.bots.models import SLUG_PATTERN

SLUG = SLUG_PATTERN.replace(r"\Z", "$")


class BotIn(Schema):
    """A new bot."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(max_length=63, pattern=SLUG, description="For addresses and commands. It never changes.")
    name: str = Field(default="", max_length=200, description="As people call it. Default: the slug.")


class BotChange(Schema):
    """What of a bot changes."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)


class BotOut(Schema):
    """A bot."""

    slug: str
    name: str
    created_at: datetime


class BotPage(Schema):
    """A page of bots."""

    items: list[BotOut]
    next: str | None = Field(description="Cursor of the next page; null at the end.")
