"""By what the server of a webhook is proven. The other pages of webhooks know no trust stores."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import DomainError
from botplatform.notifications.models import WebhookEndpoint
from certificates.issuer_forms import WebhookTrustForm
from certificates.models import WebhookTrust
from certificates.services.webhook_trust import choose_trust


@require_permission(Permission.BOT_CHANGE)
@require_http_methods(["GET", "POST"])
def trust(request: HttpRequest, endpoint: uuid.UUID, bot: Bot | None = None) -> HttpResponse:
    """Choose the trust store, or none."""
    found = get_object_or_404(WebhookEndpoint.objects.of_owner(bot).select_related("bot"), pk=endpoint)
    chosen = WebhookTrust.objects.filter(endpoint=found).first()
    initial = {"trust_store": chosen.trust_store_id if chosen else None}
    form = WebhookTrustForm(owner=bot, **filled(request, initial))
    back = reverse("notifications:of_bot", args=[bot.slug]) if bot else reverse("notifications:of_platform")
    if form.is_valid():
        actor = Actor.of(cast(User, request.user))
        try:
            choose_trust(actor=actor, endpoint=found, trust_store=form.cleaned_data["trust_store"])
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"By what {found.host} is proven is saved. Send a test to see that it works.")
            return redirect(back)
    context = {"form": form, "bot": bot, "endpoint": found, "back_url": back}
    return render(request, "certificates/webhook_trust.html", context, status=status_of(form))
