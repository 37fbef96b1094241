"""The fallback window of a certificate."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, status_of
from certificates.forms import FallbackForm
from certificates.services.fallback import set_fallback
from certificates.views.certificates import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def fallback(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Change how long calls may fall back after a promotion."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    form = FallbackForm(**filled(request, {"fallback_days": certificate.fallback_days}))
    if form.is_valid():
        days = form.cleaned_data["fallback_days"]
        changed = set_fallback(actor=Actor.of(user), certificate=certificate, days=days)
        when = "A window is open now." if changed.fallback_until else "No window is open now."
        messages.success(request, f"The fallback window is saved. {when}")
        return redirect(certificate)
    context = {"form": form, "bot": bot, "certificate": certificate}
    return render(request, "certificates/fallback.html", context, status=status_of(form))
