"""Certificate signing requests and the CA's replies in the HTTP API."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.debug import sensitive_variables
from ninja import File, Form, Status
from ninja.files import UploadedFile as SentFile

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import tag
from botplatform.api_kit.parsing import JSON, MULTIPART
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from certificates.api.certificates import find
from certificates.api.importing import read_files, refused
from certificates.api.routing import router
from certificates.api.versions import Number
from certificates.errors import BundleError, ImportRefused
from certificates.models import CertificateVersion
from certificates.pki import csr
from certificates.pki.report import inspection_as_json
from certificates.pki.secret import Secret
from certificates.schemas import ReplyOptions, ReplyOut, RequestOut, RequestWish
from certificates.services.completing import complete
from certificates.services.requesting import request as request_version
from certificates.services.rotation import destroy

SECTION = Section(router, "certificates")


@owned(
    SECTION,
    "POST",
    "/certificates/{name}/csr",
    Permission.CERTIFICATE_IMPORT,
    answers={201: RequestOut},
    problems=(409,),
    media_type=JSON,
)
@sensitive_variables()
def create_csr(request: ApiRequest, name: str, body: RequestWish, response: HttpResponse) -> Status[Any]:
    """Make a key inside and a request to sign it. The certificate is made if there is none of this name."""
    done = request_version(
        actor=request.actor,
        owner=request.bot,
        name=name,
        subject=body.subject,
        sans=body.san,
        key=body.key,
        same_key=body.same_key,
        challenge=Secret(body.challenge.encode("utf-8")) if body.challenge else None,
    )
    response["Location"] = f"{request.path}/{done.version.number}"
    response["ETag"] = tag(done.certificate.pk, done.certificate.state)
    return Status(201, _document(done.version, done.pem))


@owned(SECTION, "GET", "/certificates/{name}/csr/{number}", Permission.VIEW, answers={200: RequestOut}, problems=(422,))
def get_csr(request: ApiRequest, name: str, number: Number) -> dict[str, object]:
    """The request of a version that was asked of a CA, without its challenge."""
    version = _requested(request, name, number)
    return _document(version, csr.pem(bytes(version.signing_request.csr_der)))


@owned(
    SECTION,
    "DELETE",
    "/certificates/{name}/csr/{number}",
    Permission.CERTIFICATE_IMPORT,
    answers={204: None},
    problems=(409, 422),
)
def discard_csr(request: ApiRequest, name: str, number: Number) -> Status[None]:
    """Give an open request up: its private key is deleted for good. A version that was completed is refused."""
    version = _requested(request, name, number)
    destroy(actor=request.actor, certificate=version.certificate, number=number, only_draft=True)
    return Status(204, None)


@owned(
    SECTION,
    "POST",
    "/certificates/{name}/reply",
    Permission.CERTIFICATE_IMPORT,
    answers={200: ReplyOut},
    media_type=MULTIPART,
)
def complete_csr(
    request: ApiRequest, name: str, response: HttpResponse, options: Form[ReplyOptions], files: File[list[SentFile]]
) -> Any:
    """Take the CA's reply to an open request, which its key tells. The same reply again changes nothing."""
    certificate, allow = find(request, name), frozenset(code.value for code in options.allow)
    try:
        done = complete(
            actor=request.actor, certificate=certificate, files=read_files(files), allow=allow, dry_run=options.check
        )
    except (BundleError, ImportRefused) as error:
        return refused(error, allow)
    response["ETag"] = tag(certificate.pk, certificate.state)
    return inspection_as_json(done.inspection, allow) | {
        "certificate": certificate.path,
        "version": done.version.number if done.version else None,
        "status": done.becomes.value if done.becomes else None,
        "changed": done.changed,
    }


def _requested(request: ApiRequest, name: str, number: int) -> CertificateVersion:
    """The version with its request. Raises `NotFound`, also for one that was imported."""
    certificate = find(request, name)
    asked = certificate.versions.filter(signing_request__isnull=False)
    found = asked.select_related("signing_request").filter(number=number).first()
    if found is None:
        raise NotFound("no such request")
    found.certificate = certificate
    return found


def _document(version: CertificateVersion, pem: str) -> dict[str, object]:
    kept = version.signing_request
    return {
        "certificate": version.certificate.path,
        "version": version,
        "san": kept.sans,
        "same_key": kept.same_key,
        "csr": pem,
        "created_at": kept.created_at,
        "created_by": kept.created_by,
    }
