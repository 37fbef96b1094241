"""Import in two steps: look at what the files hold, then save. The pile travels sealed in a hidden field."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import DomainError
from certificates.errors import BundleError, ImportRefused
from certificates.forms import ImportForm
from certificates.models import ClientCertificate
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.secret import Secret
from certificates.services import uploads
from certificates.services.foreseeing import foresee_default
from certificates.services.importing import ImportResult, import_certificate, preview
from certificates.services.state import sealed_reason
from certificates.services.succession import Succession, successor_of

TICK_OR_LEAVE = "Nothing is saved. Tick the box of every finding that you insist on, or start again with other files."
PASSPHRASE_ERRORS = {"passphrase_required", "passphrase_wrong"}


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters()
@sensitive_variables("upload")
def import_page(request: HttpRequest, bot: Bot | None = None) -> HttpResponse:
    """The form, the preview below it, and the saving."""
    owner_name = bot.name if bot else "the platform"
    form = ImportForm(request.POST or None, request.FILES or None, owner_name=owner_name, initial=_initial(request))
    context: dict[str, Any] = {"form": form, "bot": bot, "owner_name": owner_name, "sealed": sealed_reason()}
    if form.is_valid() and not context["sealed"]:
        try:
            upload = _read(request, form)
            if "save" in request.POST and not form.cleaned_data["files"] and _was_told(request, bot, form):
                return _done(request, _save(request, bot, form, upload))
            context |= _look(request, bot, form, upload) | {"untold": "save" in request.POST}
        except DomainError as error:
            _refuse(form, error, context)
    if "inspection" in context:  # what ticking the box would change
        path = ClientCertificate(bot=bot, name=form.cleaned_data.get("name", "")).path
        context["change"] = foresee_default(actor=_actor(request), owner=bot, after=path)
    context["follows"] = _follows(request, bot, form)
    if form.errors and not context["sealed"]:
        context = _kept(request, bot, form) | context
    return render(request, "certificates/import.html", context, status=status_of(form))


def _initial(request: HttpRequest) -> dict[str, Any]:
    """A link from a certificate's page names it."""
    return {"name": request.GET.get("name", "")[:63], "stage": request.GET.get("stage") == "1"}


@sensitive_variables()
def _read(request: HttpRequest, form: ImportForm) -> uploads.Upload:
    """The files just sent, else those of the step before; a passphrase just typed wins."""
    typed = form.cleaned_data["passphrase"]
    passphrase = Secret(typed.encode("utf-8")) if typed else None
    if files := form.cleaned_data["files"]:
        for file in files:
            file.seek(0)  # it may have been read before, when something else was refused
        read = tuple(UploadedFile(file.name or "file", file.read()) for file in files)
        return uploads.Upload(read, passphrase)
    before = uploads.unseal(actor=_actor(request), token=form.cleaned_data["upload"])
    return uploads.Upload(before.files, passphrase or before.passphrase)


def _was_told(request: HttpRequest, bot: Bot | None, form: ImportForm) -> bool:
    """Whether the preview spoke of what is saved now: of a new certificate, or of this version of this one.

    Else the preview is shown again, with what the name means.
    """
    follows = _follows(request, bot, form)
    return request.POST.get("told", "") == (follows.key if follows else "")


def _follows(request: HttpRequest, bot: Bot | None, form: ImportForm) -> Succession | None:
    """What is there under the name that was typed, or that a link gave."""
    name = form.cleaned_data.get("name") if form.is_bound else form.initial["name"]
    return successor_of(actor=_actor(request), owner=bot, name=name or "")


@sensitive_variables()
def _look(request: HttpRequest, bot: Bot | None, form: ImportForm, upload: uploads.Upload) -> dict[str, Any]:
    """What the page needs to show the preview."""
    name = form.cleaned_data.get("name", "")
    found = preview(actor=_actor(request), owner=bot, files=upload.files, passphrase=upload.passphrase, name=name)
    form.offer(found.findings)
    _show_bundle_error(form, found)
    return {
        "inspection": found,
        "upload": uploads.seal(actor=_actor(request), upload=upload),
        "file_names": [file.name for file in upload.files],
    }


def _show_bundle_error(form: ImportForm, found: Inspection) -> None:
    if found.error is not None:
        field = "passphrase" if found.error.code in PASSPHRASE_ERRORS else "files"
        named = found.error.file or ""
        where = "" if named in found.error.text else f"{named}: "
        form.add_error(field, f"{where}{found.error.text}")


@sensitive_variables()
def _save(request: HttpRequest, bot: Bot | None, form: ImportForm, upload: uploads.Upload) -> ImportResult:
    """Store it, with the findings that were ticked."""
    typed = form.cleaned_data
    return import_certificate(
        actor=_actor(request),
        owner=bot,
        name=typed["name"],
        files=upload.files,
        passphrase=upload.passphrase,
        make_default=typed["make_default"],
        stage=typed["stage"],
        allow=frozenset(typed["allow"]),
    )


def _refuse(form: ImportForm, error: DomainError, context: dict[str, Any]) -> None:
    """The error beside its field; the preview stays where there is one."""
    inspection = getattr(error, "inspection", None)
    field = None
    if isinstance(error, BundleError):
        field = "passphrase" if error.code in PASSPHRASE_ERRORS else "files"
    if inspection is not None:
        form.offer(inspection.findings)
        context |= {"inspection": inspection, "upload": form.cleaned_data.get("upload", "")}
    if getattr(error, "code", "") == "preview_expired":
        field = "files"
    if isinstance(error, ImportRefused):
        form.add_error("allow", TICK_OR_LEAVE)  # the findings themselves stand above, each in its own sentence
        return
    show_error(form, error, field=field)


@sensitive_variables()
def _kept(request: HttpRequest, bot: Bot | None, form: ImportForm) -> dict[str, Any]:
    """The pile just sent or of the step before: a mistyped name must not cost another choice of files.

    What is wrong with the pile is told beside whatever else is wrong.
    """
    if not {"files", "passphrase", "upload"} <= set(form.cleaned_data):
        return {}
    try:
        upload = _read(request, form)
        token = uploads.seal(actor=_actor(request), upload=upload)
        if not {"files", "passphrase"} & set(form.errors):
            found = preview(actor=_actor(request), owner=bot, files=upload.files, passphrase=upload.passphrase)
            _show_bundle_error(form, found)
    except DomainError:
        return {}
    if upload.passphrase and "passphrase" not in form.errors:
        form.keep_passphrase()
    return {"upload": token, "file_names": [file.name for file in upload.files]}


def _done(request: HttpRequest, result: ImportResult) -> HttpResponse:
    if result.certificate is None:
        raise TypeError("an import that is not a dry run makes a certificate")
    if result.changed and result.version is not None:
        note = f" {result.note}" if result.note else ""
        messages.success(request, f"{result.certificate.path} is saved as version {result.version.number}.{note}")
    else:
        messages.info(request, f"{result.certificate.path} holds this material already. Nothing was changed.")
    return redirect(result.certificate)


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(cast(User, request.user))
