"""What will be reminded of, and what was; and the calendar feed of a bot, which needs no session."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from botplatform.accounts.models import User
from botplatform.bots.access import public, require_permission
from botplatform.bots.roles import Permission
from botplatform.jobs.heartbeat import worker_alive
from botplatform.notifications.icalendar import Event
from botplatform.notifications.icalendar import calendar as written
from botplatform.notifications.models import Delivery, DeliveryState
from botplatform.notifications.reminders import Ending
from botplatform.notifications.services.calendars import open_feed
from servicenodes.schedule import endings_of_bot, schedule_for

LATELY = 8
PRINTED = "django.core.mail.backends.console.EmailBackend"


@require_permission(Permission.CONSOLE)
@require_safe
def upcoming(request: HttpRequest) -> HttpResponse:
    """The next 90 days, and the latest deliveries."""
    user = cast(User, request.user)
    deliveries = Delivery.objects.visible_to(user)
    context = {
        "plans": schedule_for(user, timezone.now()),
        "lately": deliveries.select_related("bot", "endpoint")[:LATELY],
        "failed": deliveries.filter(state=DeliveryState.FAILED).count(),
        "mail_is_printed": settings.EMAIL_BACKEND == PRINTED,
        "security_email": settings.SECURITY_EMAIL,
        "no_worker": not worker_alive(timezone.now()),
    }
    return render(request, "servicenodes/reminders.html", context)


@public
@never_cache
@sensitive_variables("secret")
@require_safe
def calendar(request: HttpRequest, bot: str, secret: str) -> HttpResponse:
    """When certificates of a bot expire, for a calendar client. A wrong secret and a missing bot look the same."""
    found = open_feed(slug=bot, secret=secret)
    if found is None:
        raise Http404
    events = [_event(ending) for ending in endings_of_bot(found, timezone.now())]
    return HttpResponse(written(f"Certificates of {found.name}", events), content_type="text/calendar; charset=utf-8")


def _event(ending: Ending) -> Event:
    return Event(
        uid=f"{ending.subject}@{urlsplit(settings.BASE_URL).hostname}",
        at=ending.not_after,
        changed_at=ending.not_before,
        summary=f"{ending.name} expires",
        description="\n".join(part for part in (f"{ending.what} expires.", ending.successor, ending.advice) if part),
        url=f"{settings.BASE_URL}{ending.link}",
    )
