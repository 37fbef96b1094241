"""Alarms of a bot's nodes over the HTTP API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.db.models import QuerySet
from ninja import Query

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.routes import Section, bot_of, read, route, write_json
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from certificates.api.versions import told
from certificates.schemas import RotationOut
from servicenodes.api.routing import router
from servicenodes.models import Alarm
from servicenodes.schemas import AlarmOut, AlarmPage, CloseIn
from servicenodes.services import alarms

SECTION = Section(router, "alarms")
ALARMS = "/bots/{bot}/alarms"
Open = Annotated[bool | None, Query(default=None, description="true: only the open ones; false: only the closed ones.")]


@read(SECTION, ALARMS, AlarmPage, problems=(422,))
def list_alarms(request: ApiRequest, paging: Query[Paging], open: Open = None) -> dict[str, object]:
    """The alarms of a bot's nodes, newest first."""
    rows = _alarms(request)
    if open is not None:
        rows = rows.filter(closed_at__isnull=open)
    items, following = page(request, rows, paging, order=["raised_at", "pk"], descending=True)
    return {"items": items, "next": following}


@route(
    SECTION,
    "POST",
    f"{ALARMS}/{{alarm}}/rollback",
    Permission.CERTIFICATE_IMPORT,  # here; the service asks the same of the owner of the certificate
    answers={200: RotationOut},
    problems=(409, 422),
    name="roll_back_alarm",
)
def roll_back(request: ApiRequest, alarm: UUID) -> dict[str, object]:
    """Present again what was before the promotion; that closes the alarm. 409 if another version is active meanwhile.

    The permission is needed on the bot and on the owner of the certificate.
    """
    return told(alarms.roll_back(actor=request.actor, alarm=_find(request, alarm)))


@write_json(
    SECTION,
    "POST",
    f"{ALARMS}/{{alarm}}/close",
    Permission.NODE_CHANGE,
    answers={200: AlarmOut},
    problems=(409,),
    name="close_alarm",
)
def close(request: ApiRequest, alarm: UUID, body: CloseIn) -> Alarm:
    """Close an alarm that needs nobody any more, with the reason."""
    alarms.close_alarm(actor=request.actor, alarm=_find(request, alarm), reason=body.reason)
    return _find(request, alarm)


def _find(request: ApiRequest, alarm: UUID) -> Alarm:
    found = _alarms(request).filter(pk=alarm).first()
    if found is None:
        raise NotFound("no such alarm")
    return found


def _alarms(request: ApiRequest) -> QuerySet[Alarm]:
    rows = Alarm.objects.filter(node__bot=bot_of(request))
    return rows.select_related("node__bot", "version__certificate__bot", "before")
