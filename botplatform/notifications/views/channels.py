"""Who is told what happens to a bot, or to the platform: people, webhooks, calendar feeds."""

from __future__ import annotations

import uuid
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError
from botplatform.notifications.forms import EndpointForm
from botplatform.notifications.models import CalendarFeed, WebhookEndpoint
from botplatform.notifications.services.calendars import add_feed, remove_feed
from botplatform.notifications.services.outbox import addresses
from botplatform.notifications.services.webhooks import add_endpoint, remove_endpoint, send_test


@require_permission(Permission.VIEW)
@require_GET
def of_bot(request: HttpRequest, bot: Bot) -> HttpResponse:
    """Who is told about a bot."""
    return _page(request, bot, EndpointForm())


@require_permission(Permission.PLATFORM_VIEW)
@require_GET
def of_platform(request: HttpRequest) -> HttpResponse:
    """Who is told about what belongs to the platform."""
    return _page(request, None, EndpointForm())


@require_permission(Permission.BOT_CHANGE)
@require_POST
@never_cache
@sensitive_variables("secret")
def add(request: HttpRequest, bot: Bot | None = None) -> HttpResponse:
    """Another endpoint. Its secret is in this one answer and nowhere else."""
    form = EndpointForm(request.POST)
    if form.is_valid():
        try:
            endpoint, secret = add_endpoint(actor=_actor(request), owner=bot, url=form.cleaned_data["url"])
        except DomainError as error:
            show_error(form, error)
        else:
            context = {"endpoint": endpoint, "secret": secret, "bot": bot}
            return render(request, "notifications/webhook_added.html", context, status=201)
    return _page(request, bot, form)


@require_permission(Permission.BOT_CHANGE)
@require_POST
def remove(request: HttpRequest, endpoint: uuid.UUID, bot: Bot | None = None) -> HttpResponse:
    """Send nothing there any more."""
    found = get_object_or_404(WebhookEndpoint.objects.of_owner(bot).select_related("bot"), pk=endpoint)
    remove_endpoint(actor=_actor(request), endpoint=found)
    messages.success(request, f"Nothing is sent to {found.host} any more.")
    return redirect(_address(bot))


@require_permission(Permission.BOT_CHANGE)
@require_POST
def try_out(request: HttpRequest, endpoint: uuid.UUID, bot: Bot | None = None) -> HttpResponse:
    """Send a test there."""
    found = get_object_or_404(WebhookEndpoint.objects.of_owner(bot).select_related("bot"), pk=endpoint)
    send_test(actor=_actor(request), endpoint=found)
    messages.success(request, f"A test goes to {found.host} in a moment; the log says what became of it.")
    return redirect("notifications:log")


@require_permission(Permission.VIEW)
@require_POST
@never_cache
@sensitive_variables("secret")
def add_calendar(request: HttpRequest, bot: Bot) -> HttpResponse:
    """A calendar feed. Its address is in this one answer and nowhere else."""
    try:
        _, secret = add_feed(actor=_actor(request), bot=bot)
    except Conflict as conflict:
        messages.error(request, conflict.text)
        return redirect(_address(bot))
    address = settings.BASE_URL + reverse("servicenodes:calendar", args=[bot.slug, secret])
    return render(request, "notifications/calendar_added.html", {"bot": bot, "address": address}, status=201)


@require_permission(Permission.VIEW)
@require_POST
def remove_calendar(request: HttpRequest, bot: Bot, feed: uuid.UUID) -> HttpResponse:
    """Its address opens nothing any more."""
    found = get_object_or_404(CalendarFeed.objects.select_related("bot", "created_by"), bot=bot, pk=feed)
    remove_feed(actor=_actor(request), feed=found)
    messages.success(request, "The calendar’s address opens nothing any more.")
    return redirect(_address(bot))


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(cast(User, request.user))


def _address(bot: Bot | None) -> str:
    if bot is None:
        return reverse("notifications:of_platform")
    return reverse("notifications:of_bot", args=[bot.slug])


def _page(request: HttpRequest, bot: Bot | None, form: EndpointForm) -> HttpResponse:
    context = {
        "bot": bot,
        "form": form,
        "addresses": addresses(bot),
        "security_email": settings.SECURITY_EMAIL,
        "endpoints": WebhookEndpoint.objects.of_owner(bot),
        "everything": WebhookEndpoint.objects.of_owner(None) if bot else [],
        "feeds": bot.calendar_feeds.select_related("created_by") if bot else [],
        "may_change": Permission.BOT_CHANGE in request.permissions,  # type: ignore[attr-defined]
    }
    return render(request, "notifications/channels.html", context, status=status_of(form))
