"""The overview: what needs a person today, then the state of the fleet."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.roles import Permission
from botplatform.jobs.heartbeat import worker_alive
from certificates.services.state import sealed_reason
from servicenodes.fleet import survey
from servicenodes.services.alarms import alarms_for, open_alarms
from servicenodes.views.nodes import with_effective


@require_permission(Permission.CONSOLE)
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The first page after sign-in."""
    now = timezone.now()
    fleet = survey(cast(User, request.user), now)
    with_effective(fleet.failing)
    context = {
        "alarms": alarms_for(cast(User, request.user), open_alarms()),
        "fleet": fleet,
        "no_worker": not worker_alive(now),
        "sealed": sealed_reason(),
        "may_create_bot": Permission.BOT_CREATE in request.permissions,  # type: ignore[attr-defined]
    }
    return render(request, "servicenodes/overview.html", context)
