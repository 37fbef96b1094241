"""Test connection: asking for a test, and watching it."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import DomainError, NotAllowed, NotFound
from botplatform.jobs.heartbeat import worker_alive
from servicenodes.models import ConnectionTest, RunState
from servicenodes.services.probing import request_test
from servicenodes.timeline import comparison, timeline
from servicenodes.views.nodes import load
from servicenodes.views.presented import named_in

# A worker starts a test at once. Before this time nobody is told that there is none.
WORKER_PATIENCE = timedelta(seconds=2)


@require_permission(Permission.NODE_TEST)
@require_POST
def start(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """Ask for a test and go to watch it."""
    found = load(bot, node)
    try:
        test = request_test(actor=Actor.of(cast(User, request.user)), node=found)
    except (NotAllowed, NotFound):
        raise
    except DomainError as error:
        messages.error(request, error.text)
        return redirect(found)
    return redirect("servicenodes:test", bot=bot.slug, node=found.slug, test=test.pk)


@require_permission(Permission.VIEW)
@require_GET
@never_cache
def watch(request: HttpRequest, bot: Bot, node: str, test: str) -> HttpResponse:
    """One test. Asked by htmx, only the part that changes."""
    found = load(bot, node)
    run = get_object_or_404(ConnectionTest.objects.filter(node=found).select_related("version"), pk=test)
    state = run.state
    now = timezone.now()
    waiting = state is RunState.QUEUED and now - run.requested_at > WORKER_PATIENCE
    report = run.report or {}
    context = {
        "bot": bot,
        "node": found,
        "test": run,
        "state": state.value,
        "live": state in {RunState.QUEUED, RunState.RUNNING},
        "no_worker": waiting and not worker_alive(now),
        "report": report,
        "named": named_in(cast(User, request.user), run),
        "steps": timeline(report.get("steps") or run.steps, finished=state is RunState.FINISHED),
        "comparison": comparison(report),
        "may_test": Permission.NODE_TEST in request.permissions,  # type: ignore[attr-defined]
    }
    fragment = bool(getattr(request, "htmx", False))
    return render(request, "servicenodes/_test.html" if fragment else "servicenodes/test.html", context)
