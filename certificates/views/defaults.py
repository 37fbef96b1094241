"""Being the default of its owner: a page that says which nodes present something else, then the change."""

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
from botplatform.errors import Conflict
from certificates.models import ClientCertificate
from certificates.services.defaults import clear_default, set_default
from certificates.services.foreseeing import current_default, foresee_default, foresee_no_default
from certificates.views.certificates import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def default(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Ask, and on POST make it the default (`act=set`) or leave its owner without one (`act=clear`)."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    if request.method == "POST":
        _change(request, certificate)
        return redirect(certificate)
    actor = Actor.of(user)
    if certificate.is_default:
        change = foresee_no_default(actor=actor, owner=bot)
    else:
        change = foresee_default(actor=actor, owner=bot, after=certificate.path)
    context = {"bot": bot, "certificate": certificate, "change": change, "expected": current_default(bot)}
    return render(request, "certificates/default.html", context)


def _change(request: HttpRequest, certificate: ClientCertificate) -> None:
    whose = certificate.bot.name if certificate.bot else "the platform"
    clears = request.POST.get("act") == "clear"
    service, done = (clear_default, "no longer") if clears else (set_default, "now")
    try:
        service(
            actor=Actor.of(cast(User, request.user)),
            certificate=certificate,
            expected=request.POST.get("expected"),
        )
    except Conflict as conflict:
        messages.error(request, conflict.text)
    else:
        messages.success(request, f"{certificate.path} is {done} the default of {whose}.")
