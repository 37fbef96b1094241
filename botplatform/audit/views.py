"""The audit trail: who did what, when."""

from __future__ import annotations

from typing import cast

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from botplatform.accounts.models import User
from botplatform.audit.forms import TrailFilter
from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission

EVENTS_PER_PAGE = 50


@require_permission(Permission.CONSOLE)
@require_GET
def trail(request: HttpRequest) -> HttpResponse:
    """The events the user may read: of bots they own; all for administrators and auditors."""
    user = cast(User, request.user)
    bots = Bot.objects.visible_to(user)
    form = TrailFilter(request.GET or None, bots=bots)
    events = AuditEvent.objects.visible_to(user)
    if form.is_valid():
        events = form.narrow(events)
    page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    sees_all = user.is_administrator or user.is_auditor
    slugs = dict(bots.values_list("pk", "slug"))
    for event in page.object_list:
        event.bot_slug = slugs.get(event.bot_id, "")
    context = {"form": form, "page": page, "head": AuditHead.objects.first() if sees_all else None}
    return render(request, "audit/trail.html", context)
