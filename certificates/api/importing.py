"""Import and inspection of files in the HTTP API. A repeated import with the same `Idempotency-Key` is done once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import File, Form, Status
from ninja.files import UploadedFile as SentFile

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IdempotencyKey, tag
from botplatform.api_kit.parsing import MULTIPART
from botplatform.api_kit.problems import problem
from botplatform.api_kit.routes import Section, owned, route
from botplatform.api_kit.services import Answer, once
from botplatform.bots.models import PLATFORM_SLUG
from botplatform.bots.roles import Permission
from certificates.api.certificates import find
from certificates.api.routing import router
from certificates.errors import BundleError, ImportRefused
from certificates.lookup import find_owner
from certificates.models import ClientCertificate
from certificates.pki.inspection import UploadedFile
from certificates.pki.report import inspection_as_json
from certificates.pki.secret import Secret
from certificates.schemas import ImportOptions, ImportOut, InspectionOut, InspectOptions, NewCertificate
from certificates.services.importing import import_certificate, preview

SECTION = Section(router, "certificates")
COLLECTION = "/certificates"
SENT = "sent_headers"  # where a kept answer holds its headers
IMPORT: dict[str, Any] = {
    "answers": {200: ImportOut, 201: ImportOut},
    "problems": (404, 409),
    "media_type": MULTIPART,
}


@owned(SECTION, "POST", "/certificates", Permission.CERTIFICATE_IMPORT, **IMPORT)
def import_files(
    request: ApiRequest,
    response: HttpResponse,
    options: Form[NewCertificate],
    files: File[list[SentFile]],
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Import a client certificate; on an existing name, a new version of it."""
    return _import(request, response, name=options.name, options=options, files=read_files(files), key=idempotency_key)


@owned(SECTION, "POST", "/certificates/{name}/versions", Permission.CERTIFICATE_IMPORT, **IMPORT)
def add_version(  # noqa: PLR0917 — ninja reads the parameters
    request: ApiRequest,
    name: str,
    response: HttpResponse,
    options: Form[ImportOptions],
    files: File[list[SentFile]],
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Import a new version of an existing client certificate."""
    certificate = find(request, name)
    return _import(
        request, response, name=certificate.name, options=options, files=read_files(files), key=idempotency_key
    )


@route(
    SECTION,
    "POST",
    "/bundles/inspect",
    Permission.CERTIFICATE_IMPORT,
    answers={200: InspectionOut},
    problems=(404,),
    media_type=MULTIPART,
    anywhere=True,
)
@sensitive_variables()
def inspect_files(request: ApiRequest, options: Form[InspectOptions], files: File[list[SentFile]]) -> dict[str, object]:
    """Say what files hold and what an import would do. Nothing is stored."""
    owner = find_owner(request.actor, options.bot)
    found = preview(actor=request.actor, owner=owner, files=read_files(files), passphrase=_passphrase(options))
    return inspection_as_json(found)


def read_files(files: Sequence[SentFile]) -> list[UploadedFile]:
    """The files as they came; one byte more than allowed is read, so that the limit is seen."""
    most = settings.MAX_UPLOAD_KB * 1024
    return [UploadedFile(file.name or "file", file.read(most + 1)) for file in files]


@sensitive_variables()
def _import(
    request: ApiRequest,
    response: HttpResponse,
    *,
    name: str,
    options: ImportOptions,
    files: list[UploadedFile],
    key: str | None,
) -> Any:
    def act() -> Answer:
        return _answer(request, name, options, files)

    try:
        if key is None:
            (status, document), kept = act(), False
        else:
            parts = [request.path.encode(), options.model_dump_json().encode()]
            parts += [part for file in files for part in (file.name.encode(), file.content)]
            (status, document), kept = once(token=request.token, key=key, request=parts, act=act)
    except (BundleError, ImportRefused) as error:
        return refused(error, _allowed(options))
    response["Idempotent-Replayed"] = "true" if kept else "false"
    for header, value in document.pop(SENT, {}).items():
        response[header] = value
    return Status(status, document)


@sensitive_variables()
def _answer(request: ApiRequest, name: str, options: ImportOptions, files: list[UploadedFile]) -> Answer:
    allow = _allowed(options)
    result = import_certificate(
        actor=request.actor,
        owner=request.bot,
        name=name,
        files=files,
        passphrase=_passphrase(options),
        make_default=options.default,
        stage=options.stage,
        allow=allow,
        dry_run=options.check,
    )
    outcome = {
        "certificate": f"{request.bot.slug if request.bot else PLATFORM_SLUG}/{name}",
        "version": result.version.number if result.version else None,
        "changed": result.changed,
        "note": result.note,
    }
    found = inspection_as_json(result.inspection, allow) | outcome
    if options.check or not result.changed or result.certificate is None:
        return 200, found
    # Kept with the answer: an ETag of now would be of a state that the sender of the first request never saw.
    return 201, found | {SENT: {"Location": _address(request, name), "ETag": _etag(result.certificate)}}


def _address(request: ApiRequest, name: str) -> str:
    return f"{request.path.partition(COLLECTION)[0]}{COLLECTION}/{name}"


def _etag(certificate: ClientCertificate) -> str:
    return tag(certificate.pk, ClientCertificate.objects.get(pk=certificate.pk).state)


def _allowed(options: ImportOptions) -> frozenset[str]:
    return frozenset(code.value for code in options.allow)


def refused(error: BundleError | ImportRefused, allow: frozenset[str]) -> HttpResponse:
    """422 with the whole inspection, as a dry run shows it."""
    seen = None if error.inspection is None else inspection_as_json(error.inspection, allow)
    findings = list(error.findings) if isinstance(error, ImportRefused) else None
    return problem(
        422, error.text, code=error.code, file=getattr(error, "file", None), findings=findings, inspection=seen
    )


def _passphrase(options: ImportOptions | InspectOptions) -> Secret | None:
    return Secret(options.passphrase.encode("utf-8")) if options.passphrase else None
