"""The audit trail in the HTTP API: read, never written."""

from __future__ import annotations

from ninja import Query, Router

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.routes import Section, route
from botplatform.audit.models import AuditEvent, AuditEventQuerySet
from botplatform.audit.schemas import EventPage, TrailQuery
from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound

router = Router()
SECTION = Section(router, "audit")


@route(SECTION, "GET", "/audit", Permission.AUDIT_VIEW, answers={200: EventPage}, problems=(404, 422), anywhere=True)
def list_events(request: ApiRequest, wanted: Query[TrailQuery], paging: Query[Paging]) -> dict[str, object]:
    """Events of the bots whose trail the token may read, newest first; all events for tokens of auditors."""
    events = _narrowed(request, AuditEvent.objects.visible_to(request.token), wanted)
    items, following = page(request, events, paging, order=["position"], descending=True)
    return {"items": items, "next": following}


def _narrowed(request: ApiRequest, events: AuditEventQuerySet, wanted: TrailQuery) -> AuditEventQuerySet:
    if wanted.bot == PLATFORM_SLUG:
        events = events.filter(bot_id__isnull=True)
    elif wanted.bot:
        bot = Bot.objects.visible_to(request.token).filter(slug=wanted.bot).first()
        if bot is None:
            raise NotFound("no such bot")
        events = events.filter(bot_id=bot.pk)
    if wanted.action is not None:
        events = events.filter(action=wanted.action.value)
    if wanted.object_id is not None:
        events = events.filter(object_id=str(wanted.object_id))
    return events
