"""The delivery log: what was told to whom, and sending it again."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import bots_allowing, require_permission
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from botplatform.notifications.forms import LogFilter
from botplatform.notifications.models import SETTLED, Delivery
from botplatform.notifications.services.outbox import send_again

PER_PAGE = 50


@require_permission(Permission.CONSOLE)
@require_GET
def log(request: HttpRequest) -> HttpResponse:
    """The deliveries about the user's bots, newest first; those of the platform for administrators and auditors."""
    user = cast(User, request.user)
    form = LogFilter(request.GET or None)
    found = Delivery.objects.visible_to(user).select_related("bot", "endpoint")
    if form.is_valid():
        found = found.filter(**{name: value for name, value in form.cleaned_data.items() if value})
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "deliveries": mark_repeatable(user, list(page.object_list))}
    return render(request, "notifications/log.html", context)


@require_permission(Permission.CONSOLE)
@require_POST
def again(request: HttpRequest, delivery: uuid.UUID) -> HttpResponse:
    """Send one again."""
    user = cast(User, request.user)
    found = get_object_or_404(Delivery.objects.visible_to(user).select_related("bot"), pk=delivery)
    try:
        send_again(actor=Actor.of(user), delivery=found)
    except Conflict as conflict:
        messages.error(request, conflict.text)
    else:
        messages.success(request, f"“{found.title}” will be sent again in a moment.")
    return redirect("notifications:log")


def mark_repeatable(user: User, deliveries: list[Delivery]) -> list[Delivery]:
    """The deliveries, each with `may_repeat`: whether it can be sent again, and by this user."""
    bots = set(bots_allowing(user, Permission.BOT_CHANGE).values_list("pk", flat=True))
    for delivery in deliveries:
        theirs = delivery.bot_id in bots if delivery.bot_id else user.is_administrator
        delivery.may_repeat = theirs and delivery.state in SETTLED  # type: ignore[attr-defined]
    return deliveries
