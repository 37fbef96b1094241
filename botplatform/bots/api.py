"""Bots in the HTTP API."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Query, Router, Status

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected, tag
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.routes import Section, bot_of, read, route, write_json
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.bots.schemas import BotChange, BotIn, BotOut, BotPage
from botplatform.bots.services.bots import change_bot, create_bot, delete_bot

router = Router()
SECTION = Section(router, "bots")


@read(SECTION, "/bots", BotPage, problems=(422,))
def list_bots(request: ApiRequest, paging: Query[Paging]) -> dict[str, object]:
    """The bots that the token sees, by slug."""
    items, following = page(request, Bot.objects.visible_to(request.token), paging, order=["slug"])
    return {"items": items, "next": following}


@write_json(SECTION, "POST", "/bots", Permission.BOT_CREATE, answers={201: BotOut}, problems=(409,), name="create_bot")
def create(request: ApiRequest, body: BotIn, response: HttpResponse) -> Status[Bot]:
    """Create a bot."""
    bot = create_bot(actor=request.actor, slug=body.slug, name=body.name)
    response["Location"] = f"{request.path}/{bot.slug}"
    return Status(201, _tagged(bot, response))


@read(SECTION, "/bots/{bot}", BotOut)
def get_bot(request: ApiRequest, response: HttpResponse) -> Bot:
    """One bot."""
    return _tagged(bot_of(request), response)


@write_json(
    SECTION,
    "PATCH",
    "/bots/{bot}",
    Permission.BOT_CHANGE,
    answers={200: BotOut},
    problems=(409, 412),
    name="change_bot",
)
def change(request: ApiRequest, body: BotChange, response: HttpResponse, if_match: IfMatch = None) -> Bot:
    """Rename a bot."""
    bot = bot_of(request)
    revision = expected(if_match, bot.pk, bot.revision)
    changed = change_bot(actor=request.actor, bot=bot, name=body.name, expected_revision=revision)
    return _tagged(changed, response)


@route(
    SECTION,
    "DELETE",
    "/bots/{bot}",
    Permission.BOT_CREATE,
    answers={204: None},
    problems=(409, 412, 422),
    on_platform=True,
    name="delete_bot",
)
def delete(request: ApiRequest, if_match: IfMatch = None) -> Status[None]:
    """Delete a bot that owns nothing any more. Needs the permission to create bots."""
    bot = bot_of(request)
    delete_bot(actor=request.actor, bot=bot, expected_revision=expected(if_match, bot.pk, bot.revision))
    return Status(204, None)


def _tagged(bot: Bot, response: HttpResponse) -> Bot:
    response["ETag"] = tag(bot.pk, bot.revision)
    return bot
