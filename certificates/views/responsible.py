"""Who looks after a certificate, and is told of it beside its bot's people."""

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
from botplatform.console.forms import show_error, status_of
from botplatform.errors import DomainError
from certificates.forms import ResponsibleForm
from certificates.services.expiry import set_responsible
from certificates.views.certificates import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def responsible(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Change the address."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    form = ResponsibleForm(request.POST or None, initial={"responsible": certificate.responsible})
    if form.is_valid():
        address = form.cleaned_data["responsible"]
        try:
            set_responsible(actor=Actor.of(user), certificate=certificate, address=address)
        except DomainError as error:
            show_error(form, error)
        else:
            told = (
                f"{address} is told of {certificate.path} from now on." if address else "Nobody else is told any more."
            )
            messages.success(request, told)
            return redirect(certificate)
    context = {"form": form, "bot": bot, "certificate": certificate}
    return render(request, "certificates/responsible.html", context, status=status_of(form))
