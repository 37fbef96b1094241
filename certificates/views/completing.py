"""The CA's reply in two steps, as an import: look at what the files hold, then save."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import DomainError
from certificates.errors import ImportRefused
from certificates.forms import ReplyForm
from certificates.models import ClientCertificate
from certificates.pki.inspection import UploadedFile
from certificates.services import uploads
from certificates.services.completing import Completion, complete
from certificates.services.state import sealed_reason
from certificates.views.certificates import load
from certificates.views.importing import TICK_OR_LEAVE


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
@never_cache
def reply_page(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """The form, the preview below it, and the saving."""
    certificate = load(cast(User, request.user), bot, name)
    form = ReplyForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"form": form, "bot": bot, "certificate": certificate, "sealed": sealed_reason()}
    if form.is_valid() and not context["sealed"]:
        try:
            upload = _read(request, form)
            context |= _look(request, certificate, form, upload)
            if "save" in request.POST and not form.errors and not form.cleaned_data["files"]:
                return _done(request, _save(request, certificate, form, upload))
        except ImportRefused:
            form.add_error("allow", TICK_OR_LEAVE)  # the findings stand above, each in its own sentence
        except DomainError as error:
            show_error(form, error, field="files")
    return render(request, "certificates/reply.html", context, status=status_of(form))


def _read(request: HttpRequest, form: ReplyForm) -> uploads.Upload:
    """The files just sent, else those of the step before."""
    if files := form.cleaned_data["files"]:
        return uploads.Upload(tuple(UploadedFile(file.name or "file", file.read()) for file in files), None)
    return uploads.unseal(actor=_actor(request), token=form.cleaned_data["upload"])


def _look(
    request: HttpRequest, certificate: ClientCertificate, form: ReplyForm, upload: uploads.Upload
) -> dict[str, Any]:
    """What the page needs to show the preview."""
    seen = complete(actor=_actor(request), certificate=certificate, files=upload.files, dry_run=True)
    form.offer(seen.inspection.findings)
    if seen.inspection.error is not None:
        form.add_error("files", seen.inspection.error.text)
    token = uploads.seal(actor=_actor(request), upload=upload)
    return {"seen": seen, "inspection": seen.inspection, "upload": token}


def _save(request: HttpRequest, certificate: ClientCertificate, form: ReplyForm, upload: uploads.Upload) -> Completion:
    allow = frozenset(form.cleaned_data["allow"])
    return complete(actor=_actor(request), certificate=certificate, files=upload.files, allow=allow)


def _done(request: HttpRequest, done: Completion) -> HttpResponse:
    path, version = done.certificate.path, done.version
    if version is None:
        raise TypeError("a reply that is not a dry run is about a version")
    if done.changed:
        messages.success(request, f"Version {version.number} of {path} has its certificate and is {version.status}.")
    else:
        text = f"{path} holds this certificate already: version {version.number} is {version.status}."
        messages.info(request, f"{text} Nothing was changed.")
    return redirect(done.certificate)


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(cast(User, request.user))
