"""Attaching a certificate to a node, and detaching it."""

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
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import DomainError
from servicenodes.effective import effective_certificate
from servicenodes.forms import AttachForm
from servicenodes.services.attaching import attach_certificate, detach_certificate
from servicenodes.views.nodes import load


@require_permission(Permission.NODE_ATTACH)
@require_http_methods(["GET", "POST"])
def attach(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """Choose the certificate of one node, or none."""
    found = load(bot, node)
    form = AttachForm(**filled(request, {"certificate": found.certificate_id}), bot=bot)
    if form.is_valid():
        actor = Actor.of(cast(User, request.user))
        certificate = form.cleaned_data["certificate"]
        try:
            if certificate:
                attach_certificate(actor=actor, certificate=certificate, nodes=[found])
            else:
                detach_certificate(actor=actor, nodes=[found])
        except DomainError as error:
            show_error(form, error)
        else:
            done = f"{certificate.path} is attached." if certificate else "Nothing is attached; the default applies."
            messages.success(request, f"{done} Next: test the connection.")
            return redirect(found)
    context = {"form": form, "bot": bot, "node": found, "effective": effective_certificate(found)}
    return render(request, "servicenodes/attach.html", context, status=status_of(form))
