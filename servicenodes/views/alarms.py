"""Alarms of nodes: rolling back with one click, and closing with a reason."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError
from servicenodes.forms import ReasonForm
from servicenodes.models import Alarm
from servicenodes.services import alarms
from servicenodes.views.nodes import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def roll_back(request: HttpRequest, bot: Bot, node: str, alarm: str) -> HttpResponse:
    """Present again what was before the promotion."""
    found = _find(bot, node, alarm)
    try:
        done = alarms.roll_back(actor=Actor.of(cast(User, request.user)), alarm=found)
    except Conflict as conflict:
        messages.error(request, conflict.text)
    else:
        text = f"Version {done.version.number} of {done.certificate.path} is active again."
        messages.success(request, f"{text} The service nodes are tested again in a minute.")
    return redirect(found.node)


@require_permission(Permission.NODE_CHANGE)
@require_http_methods(["GET", "POST"])
def close(request: HttpRequest, bot: Bot, node: str, alarm: str) -> HttpResponse:
    """Say why the alarm needs nobody any more."""
    found = _find(bot, node, alarm)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        actor, reason = Actor.of(cast(User, request.user)), form.cleaned_data["reason"]
        try:
            alarms.close_alarm(actor=actor, alarm=found, reason=reason)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, "The alarm is closed.")
            return redirect(found.node)
    context = {"form": form, "bot": bot, "node": found.node, "alarm": found}
    return render(request, "servicenodes/alarm.html", context, status=status_of(form))


def _find(bot: Bot, node: str, alarm: str) -> Alarm:
    rows = Alarm.objects.select_related("node__bot", "version__certificate__bot", "before")
    return get_object_or_404(rows.filter(node=load(bot, node)), pk=alarm)
