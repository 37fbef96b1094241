"""Client certificates in the HTTP API: looking, changing what surrounds the material, and deleting."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction
from django.http import HttpResponse
from ninja import Query, Status

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected, tag
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.parsing import JSON
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from botplatform.errors import NotFound
from certificates.api.routing import router
from certificates.lookup import visible_certificates
from certificates.models import ChainRole, ClientCertificate
from certificates.schemas import CertificateChange, CertificateOut, CertificatePage, DefaultChangeOut, VersionPage
from certificates.services.allowed_hosts import set_allowed_hosts
from certificates.services.certificates import delete_certificate
from certificates.services.defaults import clear_default, lock_certificate, lock_owner, set_default
from certificates.services.fallback import set_fallback
from certificates.services.foreseeing import DefaultChange, foresee_default, foresee_no_default

SECTION = Section(router, "certificates")
PEM = "application/x-pem-file"


@owned(SECTION, "GET", "/certificates", Permission.VIEW, answers={200: CertificatePage}, problems=(422,))
def list_certificates(request: ApiRequest, paging: Query[Paging]) -> dict[str, object]:
    """Client certificates of one owner, by name."""
    rows = visible_certificates(request.actor).of_owner(request.bot).with_active_version()
    items, following = page(request, rows, paging, order=["name"])
    return {"items": items, "next": following}


@owned(SECTION, "GET", "/certificates/{name}", Permission.VIEW, answers={200: CertificateOut}, problems=(404,))
def get_certificate(request: ApiRequest, name: str, response: HttpResponse) -> ClientCertificate:
    """One client certificate with its active version."""
    certificate = find(request, name)
    response["ETag"] = tag(certificate.pk, certificate.state)
    return certificate


@owned(
    SECTION,
    "PATCH",
    "/certificates/{name}",
    Permission.CERTIFICATE_IMPORT,
    answers={200: CertificateOut},
    problems=(409, 412),
    media_type=JSON,
)
@transaction.atomic
def edit_certificate(
    request: ApiRequest, name: str, body: CertificateChange, response: HttpResponse, if_match: IfMatch = None
) -> ClientCertificate:
    """Change the allowed hosts, the fallback window, or whether it is the default.

    Send `If-Match`, so that nobody's change is lost.
    """
    found = find(request, name)
    lock_owner(request.bot)  # first, as the services do: the default is the owner's
    certificate = lock_certificate(found)
    expected(if_match, certificate.pk, certificate.state)
    if "is_default" in body.model_fields_set:
        change = set_default if body.is_default else clear_default
        change(actor=request.actor, certificate=certificate)
    if "allowed_hosts" in body.model_fields_set:
        set_allowed_hosts(actor=request.actor, certificate=certificate, hosts=body.allowed_hosts)
    if "fallback_days" in body.model_fields_set:
        set_fallback(actor=request.actor, certificate=certificate, days=body.fallback_days)
    return get_certificate(request, name, response)


@owned(
    SECTION,
    "GET",
    "/certificates/{name}/default-change",
    Permission.CERTIFICATE_IMPORT,
    answers={200: DefaultChangeOut},
    problems=(404,),
)
def foresee_default_change(request: ApiRequest, name: str) -> DefaultChange:
    """What nodes would present if it became the default or, where it is the default, if it no longer were."""
    certificate = find(request, name)
    if certificate.is_default:
        return foresee_no_default(actor=request.actor, owner=request.bot)
    return foresee_default(actor=request.actor, owner=request.bot, after=certificate.path)


@owned(
    SECTION,
    "DELETE",
    "/certificates/{name}",
    Permission.CERTIFICATE_IMPORT,
    answers={204: None},
    problems=(404, 409, 412, 422),
)
def remove_certificate(request: ApiRequest, name: str, if_match: IfMatch = None) -> Status[None]:
    """Delete a certificate that nothing uses, with its versions and sealed keys."""
    certificate = find(request, name)
    state = expected(if_match, certificate.pk, certificate.state)
    delete_certificate(actor=request.actor, certificate=certificate, expected_state=state)
    return Status(204, None)


@owned(SECTION, "GET", "/certificates/{name}/versions", Permission.VIEW, answers={200: VersionPage}, problems=(422,))
def list_versions(request: ApiRequest, name: str, paging: Query[Paging]) -> dict[str, object]:
    """The versions of a certificate, newest first."""
    versions = find(request, name).versions.defer("leaf_der")
    items, following = page(request, versions, paging, order=["number"], descending=True)
    return {"items": items, "next": following}


@owned(SECTION, "GET", "/certificates/{name}/chain.pem", Permission.VIEW, answers={200: str}, produces=PEM)
def get_chain(request: ApiRequest, name: str) -> HttpResponse:
    """The active version's chain in sending order: the leaf first, without the root. No key."""
    version = find(request, name).active_version
    if version is None:
        raise NotFound("no active version")
    issuers = version.chain.filter(role=ChainRole.INTERMEDIATE).order_by("position").values_list("der", flat=True)
    chain = [x509.load_der_x509_certificate(bytes(der)) for der in (version.leaf_der, *issuers)]
    content = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    return HttpResponse(content, content_type=PEM)


def find(request: ApiRequest, name: str) -> ClientCertificate:
    """The certificate `name` of the address's owner. Raises `NotFound`."""
    rows = visible_certificates(request.actor).of_owner(request.bot)
    certificate: ClientCertificate | None = rows.filter(name=name).first()
    if certificate is None:
        raise NotFound("no such certificate")
    return certificate
