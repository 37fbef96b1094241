"""What versions become, in the HTTP API."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from ninja.params.models import Path, Query

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected, tag
from botplatform.api_kit.routes import Section, owned
from botplatform.bots.roles import Permission
from certificates.api.certificates import find
from certificates.api.routing import router
from certificates.schemas import RotationOut
from certificates.services.handing_over import file_name, hand_over
from certificates.services.rotation import MAX_REASON, MOST_VERSIONS, Rotation, destroy, promote, retire, roll_back

ZIP = "application/zip"
SECTION = Section(router, "certificates")
Number = Annotated[int, Path(..., ge=1, le=MOST_VERSIONS)]
Force = Annotated[bool, Query(default=False, description="Even outside its validity, or against the tests; recorded.")]
Reason = Annotated[str, Query(default="", max_length=MAX_REASON, description="Why, where tests speak against it.")]
EvenInUse = Annotated[bool, Query(default=False, description="Even the active version of a certificate in use.")]
ROTATION: dict[str, Any] = {"answers": {200: RotationOut}, "problems": (404, 409, 412, 422)}


@owned(SECTION, "POST", "/certificates/{name}/versions/{number}/promote", Permission.CERTIFICATE_IMPORT, **ROTATION)
def promote_version(  # noqa: PLR0917 — ninja reads the parameters
    request: ApiRequest,
    name: str,
    number: Number,
    response: HttpResponse,
    force: Force = False,
    reason: Reason = "",
    if_match: IfMatch = None,
) -> dict[str, object]:
    """Make a staged or retired version the active one. The active one already: nothing changes.

    Nothing is tested now; `proof` says what was. If it was compared with the active one on the service nodes, and not
    all of them accept it, the answer is 409 with the code `not_proven`, unless a `reason` is given.
    """
    certificate = find(request, name)
    state = expected(if_match, certificate.pk, certificate.state)
    chosen: dict[str, Any] = {"number": number, "force": force, "reason": reason, "expected_state": state}
    done = promote(actor=request.actor, certificate=certificate, **chosen)
    return _told(response, done)


@owned(SECTION, "POST", "/certificates/{name}/rollback", Permission.CERTIFICATE_IMPORT, **ROTATION)
def roll_back_version(
    request: ApiRequest, name: str, response: HttpResponse, if_match: IfMatch = None
) -> dict[str, object]:
    """Undo the last promotion: the version that was active before becomes active again. Repeated, it goes further."""
    certificate = find(request, name)
    state = expected(if_match, certificate.pk, certificate.state)
    return _told(response, roll_back(actor=request.actor, certificate=certificate, expected_state=state))


@owned(SECTION, "POST", "/certificates/{name}/versions/{number}/retire", Permission.CERTIFICATE_IMPORT, **ROTATION)
def retire_version(  # noqa: PLR0917 — ninja reads the parameters
    request: ApiRequest,
    name: str,
    number: Number,
    response: HttpResponse,
    force: EvenInUse = False,
    if_match: IfMatch = None,
) -> dict[str, object]:
    """Present or stage a version no longer; no rollback leads to it. 409 (`in_use`) while nodes present it."""
    certificate = find(request, name)
    state = expected(if_match, certificate.pk, certificate.state)
    chosen: dict[str, Any] = {"number": number, "force": force, "expected_state": state}
    return _told(response, retire(actor=request.actor, certificate=certificate, **chosen))


@owned(SECTION, "POST", "/certificates/{name}/versions/{number}/destroy", Permission.CERTIFICATE_IMPORT, **ROTATION)
def destroy_version(
    request: ApiRequest, name: str, number: Number, response: HttpResponse, if_match: IfMatch = None
) -> dict[str, object]:
    """Delete the sealed private key of a retired version or a draft, for good. The certificate's facts stay."""
    certificate = find(request, name)
    state = expected(if_match, certificate.pk, certificate.state)
    return _told(response, destroy(actor=request.actor, certificate=certificate, number=number, expected_state=state))


@owned(
    SECTION,
    "GET",
    "/certificates/{name}/versions/{number}/hand-over",
    Permission.VIEW,
    answers={200: str},
    problems=(409, 422),
    produces=ZIP,
)
def get_hand_over(request: ApiRequest, name: str, number: Number) -> HttpResponse:
    """The hand-over pack of the active or a staged version, as a zip. Never a key."""
    certificate = find(request, name)
    version, pack = hand_over(actor=request.actor, certificate=certificate, which=number)
    attached = f'attachment; filename="{file_name(certificate, version)}"'
    return HttpResponse(pack.zipped(), ZIP, headers={"Content-Disposition": attached})


def _told(response: HttpResponse, done: Rotation) -> dict[str, object]:
    response["ETag"] = tag(done.certificate.pk, done.certificate.state)
    return told(done)


def told(done: Rotation) -> dict[str, object]:
    """A `RotationOut`."""
    return {
        "certificate": done.certificate.path,
        "version": done.version,
        "was": done.was.value,
        "active_before": done.active_before,
        "changed": done.changed,
        "proof": done.proof,
        "same_key": list(done.same_key),
    }
