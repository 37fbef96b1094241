"""Issuers: the list, a new one, one of them, its check, its secret and its end."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import bots_allowing, require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import Conflict, DomainError
from certificates.issuer_forms import IssuerForm, SecretForm
from certificates.issuer_models import CertificateIssuer, IssuerKind, RenewalPolicy
from certificates.issuers.port import IssuerFailed
from certificates.models import ClientCertificate
from certificates.pki.secret import Secret
from certificates.services.issuers import (
    IssuerOrder,
    check_issuer,
    create_issuer,
    delete_issuer,
    given_secret,
    replace_secret,
)

PER_PAGE = 50
CERTIFICATES_SHOWN = 50


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Every issuer the user may know of."""
    issuers = CertificateIssuer.objects.visible_to(cast(User, request.user)).select_related("bot")
    counted = issuers.annotate(certificate_count=Count("policies")).order_by("bot__slug", "name")
    page = Paginator(counted, PER_PAGE).get_page(request.GET.get("page"))
    bots = bots_allowing(cast(User, request.user), Permission.CERTIFICATE_IMPORT)[:2]  # one, or several
    return render(request, "certificates/issuers.html", {"page": page, "kinds": IssuerKind.choices, "bots": bots})


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("secret")
def create(request: HttpRequest, kind: str, bot: Bot | None = None) -> HttpResponse:
    """Name a CA of one kind."""
    if kind not in IssuerKind.values:
        raise Http404
    form = IssuerForm(kind=IssuerKind(kind), owner=bot, **filled(request, {"challenge": "dns-01"}))
    if form.is_valid():
        try:
            issuer = create_issuer(actor=Actor.of(cast(User, request.user)), owner=bot, order=_order(form, kind))
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"The issuer {issuer.path} is created. Check whether it answers.")
            return redirect(issuer)
    context = {"form": form, "bot": bot, "kind": IssuerKind(kind), "owner_name": bot.name if bot else "the platform"}
    return render(request, "certificates/issuer_create.html", context, status=status_of(form))


@require_permission(Permission.VIEW)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("secret")
def detail(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """One issuer; a POST gives it another secret."""
    user = cast(User, request.user)
    issuer = load(user, bot, name)
    secret = given_secret(issuer)
    form = SecretForm(request.POST or None, label=secret.label) if secret else None
    if form is not None and form.is_valid():
        try:
            replace_secret(actor=Actor.of(user), issuer=issuer, secret=form.value)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"{issuer.path} has another {secret.label if secret else 'secret'} now.")
            return redirect(issuer)
    renewed = RenewalPolicy.objects.filter(issuer=issuer, certificate__in=ClientCertificate.objects.visible_to(user))
    context = {
        "bot": bot,
        "issuer": issuer,
        "form": form,
        "renewed": renewed.select_related("certificate__bot")[:CERTIFICATES_SHOWN],
        "renewed_count": RenewalPolicy.objects.filter(issuer=issuer).count(),
        "may_change": Permission.CERTIFICATE_IMPORT in request.permissions,  # type: ignore[attr-defined]
    }
    return render(request, "certificates/issuer.html", context, status=status_of(form) if form else 200)


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def check(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Ask the CA something harmless, and tell what it says."""
    user = cast(User, request.user)
    issuer = load(user, bot, name)
    try:
        messages.success(request, check_issuer(actor=Actor.of(user), issuer=issuer))
    except (IssuerFailed, Conflict) as failure:
        messages.error(request, failure.text)
    return redirect(issuer)


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def delete(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Delete an issuer that renews nothing."""
    user = cast(User, request.user)
    issuer = load(user, bot, name)
    try:
        delete_issuer(actor=Actor.of(user), issuer=issuer)
    except Conflict as conflict:
        messages.error(request, conflict.text)
        return redirect(issuer)
    messages.success(request, f"The issuer {issuer.path} is deleted.")
    return redirect("certificates:issuers")


def load(user: User, bot: Bot | None, name: str) -> CertificateIssuer:
    """The issuer `name` of `bot` or of the platform, or 404."""
    visible = CertificateIssuer.objects.visible_to(user).of_owner(bot).select_related("bot", "trust_store__bot")
    return get_object_or_404(visible, name=name)


def _order(form: IssuerForm, kind: str) -> IssuerOrder:
    values = form.cleaned_data
    return IssuerOrder(
        name=values["name"],
        kind=kind,
        url=values["url"],
        trust_store=values["trust_store"],
        options={name: values[name] for name in form.options},
        secret=Secret(values["secret"].encode()) if values["secret"] else None,
    )
