"""Asking a CA: the form, and the page of a request with its CSR. `views.completing` takes the reply."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import DomainError
from certificates.forms import ReplyForm, RequestForm
from certificates.models import CertificateVersion, ClientCertificate
from certificates.pki import csr, display
from certificates.pki.secret import Secret
from certificates.services.requesting import Requested, asked_before, renewed
from certificates.services.requesting import request as request_version
from certificates.services.rotation import MOST_VERSIONS
from certificates.services.state import sealed_reason
from certificates.templatetags.certificate_kit import owned_url
from certificates.views.certificates import load

PEM = "application/x-pem-file"


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("challenge")
@sensitive_variables()
def request_page(request: HttpRequest, bot: Bot | None = None) -> HttpResponse:
    """The form; prefilled where it renews the certificate that `?name=` names."""
    user = cast(User, request.user)
    named = request.GET.get("name", "")[:63]
    name = str(request.POST.get("name") or named).strip()[:63]
    before = renewed(ClientCertificate.objects.visible_to(user).of_owner(bot).filter(name=name).first())
    prefilled = before is not None and name == named
    past = asked_before(before) if before else None
    form = RequestForm(request.POST or None, renews=before, past=past, named=prefilled, initial={"name": name})
    sealed = sealed_reason()
    if form.is_valid() and not sealed:
        try:
            done = _request(user, bot, form, prefilled=prefilled)
            return _made(request, bot, done, told_once=bool(form.cleaned_data["challenge"]))
        except DomainError as error:
            show_error(form, error)
    whose = bot.name if bot else "the platform"
    context = {"form": form, "bot": bot, "owner_name": whose, "sealed": sealed, "renews": before, "name": name}
    return render(request, "certificates/request.html", context, status=status_of(form))


@require_permission(Permission.VIEW)
@require_GET
def request_detail(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """The request of a version, to copy or download, and where the reply goes."""
    version = _load(request, bot, name, number)
    return _page(request, bot, version, csr.pem(bytes(version.signing_request.csr_der)))


@require_permission(Permission.VIEW)
@require_GET
def request_file(request: HttpRequest, name: str, number: int, bot: Bot | None = None) -> HttpResponse:
    """The request as a file."""
    version = _load(request, bot, name, number)
    file_name = f"{version.certificate.path.replace('/', '-')}-version-{number}.csr"
    content = csr.pem(bytes(version.signing_request.csr_der))
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return HttpResponse(content, content_type=PEM, headers=headers)


@sensitive_variables()
def _request(user: User, bot: Bot | None, form: RequestForm, *, prefilled: bool) -> Requested:
    """What is blank is left to the service, but for alternative names that were there and were taken out."""
    typed = form.cleaned_data
    return request_version(
        actor=Actor.of(user),
        owner=bot,
        name=typed["name"],
        # As it stands in the certificate, where it was left as it was.
        subject=typed["subject"] if typed["subject"] and "subject" in form.changed_data else None,
        sans=typed["san"] if form.san_changed and (typed["san"] or prefilled) else None,
        same_key=form.same_key,
        key=form.kind,
        challenge=Secret(typed["challenge"].encode()) if typed["challenge"] else None,
    )


def _made(request: HttpRequest, bot: Bot | None, done: Requested, *, told_once: bool) -> HttpResponse:
    if told_once:
        return _page(request, bot, done.version, done.pem, told_once=True)
    path, number = done.certificate.path, done.version.number
    messages.success(request, f"The key of version {number} of {path} is made and sealed. Send the request to the CA.")
    return redirect(owned_url("certificates:request", bot, done.certificate.name, number))


def _page(
    request: HttpRequest, bot: Bot | None, version: CertificateVersion, pem: str, *, told_once: bool = False
) -> HttpResponse:
    context: dict[str, Any] = {
        "bot": bot,
        "certificate": version.certificate,
        "version": version,
        "kept": version.signing_request,
        "key": display.key_label(version.key_type, version.key_bits),
        "pem": pem,
        "told_once": told_once,
        "may_import": Permission.CERTIFICATE_IMPORT in request.permissions,  # type: ignore[attr-defined]
        "form": ReplyForm(),
        "first": version.certificate.active_version is None,
    }
    return render(request, "certificates/signing_request.html", context)


def _load(request: HttpRequest, bot: Bot | None, name: str, number: int) -> CertificateVersion:
    certificate = load(cast(User, request.user), bot, name)
    asked = certificate.versions.filter(signing_request__isnull=False).select_related("signing_request")
    version = asked.filter(number=number).first() if number <= MOST_VERSIONS else None
    if version is None:
        raise Http404
    version.certificate = certificate
    return version
