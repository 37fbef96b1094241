"""How a certificate is renewed: choosing it, and asking for it now."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import Conflict, DomainError
from botplatform.jobs.heartbeat import worker_alive
from certificates.issuer_forms import RenewalForm, initial_renewal
from certificates.issuer_models import RenewalPolicy
from certificates.models import VersionStatus
from certificates.pki.csr import KeyKind
from certificates.services.renewal_outlook import renewal_of
from certificates.services.renewal_policies import RenewalChoice, renew_now, set_renewal
from certificates.views.certificates import load


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
def renewal(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Choose by whom and when it is renewed."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    policy = RenewalPolicy.objects.select_related("draft", "issuer__bot").filter(certificate=certificate).first()
    form = RenewalForm(owner=bot, **filled(request, initial_renewal(policy)))
    if form.is_valid():
        values = form.cleaned_data
        choice = RenewalChoice(
            values["issuer"], values["days_before"], KeyKind(values["key_kind"]), values["auto_promote"]
        )
        try:
            set_renewal(actor=Actor.of(user), certificate=certificate, choice=choice)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"How {certificate.path} is renewed is saved.")
            return redirect(certificate)
    context = {"form": form, "bot": bot, "certificate": certificate, "policy": policy}
    return render(request, "certificates/renewal.html", context, status=status_of(form))


@require_permission(Permission.VIEW)
@require_GET
@never_cache
def panel(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """The panel of the certificate's page, while something is done. With each step the rest of the page changes too."""
    certificate = load(cast(User, request.user), bot, name)
    shown = certificate.versions.filter(status__in=(VersionStatus.ACTIVE, VersionStatus.DRAFT))
    renewal = renewal_of(certificate, list(shown))
    may_import = Permission.CERTIFICATE_IMPORT in request.permissions  # type: ignore[attr-defined]
    context = {"bot": bot, "certificate": certificate, "renewal": renewal, "may_import": may_import}
    answer = render(request, "certificates/_renewal.html", context)
    if renewal.phase != request.GET.get("phase"):
        answer["HX-Refresh"] = "true"
    return answer


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def renew(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Renew it now, due or not."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    try:
        renew_now(actor=Actor.of(user), certificate=certificate)
    except Conflict as conflict:
        messages.error(request, conflict.text)
        return redirect(certificate)
    later = "" if worker_alive(timezone.now()) else " No worker runs now; it begins when one does."
    messages.success(request, f"The issuer of {certificate.path} is asked. The new version will be staged.{later}")
    return redirect(certificate)
