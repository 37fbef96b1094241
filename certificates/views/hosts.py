"""The hosts that a certificate may be presented to."""

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
from certificates.forms import AllowedHostsForm
from certificates.services.allowed_hosts import set_allowed_hosts
from certificates.views.certificates import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def allowed_hosts(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Change them, one per line."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    initial = {"allowed_hosts": "\n".join(certificate.allowed_hosts)}
    form = AllowedHostsForm(request.POST or None, initial=initial)
    if form.is_valid():
        hosts = form.cleaned_data["allowed_hosts"]
        try:
            set_allowed_hosts(actor=Actor.of(user), certificate=certificate, hosts=hosts)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, "The allowed hosts are saved; the next call and test hold to them.")
            return redirect(certificate)
    context = {"form": form, "bot": bot, "certificate": certificate}
    return render(request, "certificates/hosts.html", context, status=status_of(form))
