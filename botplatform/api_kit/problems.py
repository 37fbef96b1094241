"""Problem documents (RFC 9457): the one form of every error of the HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Schema
from ninja.errors import ValidationError
from pydantic import ConfigDict, Field

from botplatform.api_kit.wording import field_errors
from botplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed, NotFound, Stale

MEDIA_TYPE = "application/problem+json"
API_ROOT = "/api/"
# One sentence for a missing object and for a foreign one, whatever it is.
NOT_FOUND = "There is no such object, or this token may not know of it."
STATUSES: tuple[tuple[type[DomainError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (Conflict, 409),
    (InvalidInput, 422),
)
BY_CODE = {
    "sealed": 503,
    "too_many_tests": 429,
    "too_many_calls": 429,
    "unsupported_media_type": 415,
    "unreadable_request": 400,
    "certificate_unusable": 409,
    "envelope_broken": 409,
}
# What is said when Django, or a middleware, refuses before a route is reached.
SENTENCES = {
    400: ("unreadable_request", "The request cannot be read."),
    401: ("unauthorized", "A valid token is needed: send “Authorization: Bearer …”."),
    403: ("not_allowed", "This is not allowed."),
    404: ("not_found", NOT_FOUND),
    405: ("method_not_allowed", "This address does not know the method; the Allow header names those it knows."),
    413: ("too_large", "The request is too large."),
    500: ("internal_error", "Something went wrong here. It is in the log of the server."),
    503: ("unavailable", "The server cannot answer just now. Try again in a moment."),
}


class FieldError(Schema):
    """One value that is not acceptable."""

    field: str
    detail: str


class Problem(Schema):
    """An error (RFC 9457). `code` is stable for programs, `detail` is one sentence for people.

    What is not listed as required is there only where it says something.
    """

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    # Factories: members that may be left out, and are never null.
    field: str = Field(default_factory=str, description="The value that is not acceptable.")
    errors: list[FieldError] = Field(default_factory=list, description="The same where several may be wrong.")
    file: str = Field(default_factory=str, description="Import: the file that cannot be read.")
    findings: list[str] = Field(default_factory=list, description="Import: codes of the findings that refuse it.")
    inspection: dict[str, Any] = Field(default_factory=dict, description="Import: all that was seen (InspectionOut).")
    retry_after_s: int = Field(default_factory=int, description="Seconds to wait, as in `Retry-After`.")
    made: bool = Field(default_factory=bool, description="Invoke: whether a connection was tried at all.")
    request_sent: bool = Field(
        default_factory=bool, description="Invoke, 424: whether any of the request left. false: it is safe to repeat."
    )
    verdict: str = Field(default_factory=str, description="Invoke, 424: as in the report of a test.")
    reason: str = Field(default_factory=str, description="Invoke, 424: as in the report of a test.")
    certainty: str = Field(default_factory=str, description="Invoke, 424: as in the report of a test.")
    layer: str = Field(default_factory=str, description="Invoke, 424: as in the report of a test.")
    advice: list[str] = Field(default_factory=list, description="Invoke: what to do next, most promising first.")
    certificate: str = Field(default_factory=str, description="Invoke, 409: what would have been presented.")
    source: str = Field(default_factory=str, description="Invoke, 409: the rule that chose it.")
    client_certificate: dict[str, Any] = Field(
        default_factory=dict, description="Invoke, 424: what the node presents, as in InvokeOut."
    )


def problem(
    status: int, detail: str, *, code: str, headers: Mapping[str, str] | None = None, **members: object
) -> HttpResponse:
    """An answer with a problem document. Members that are None are left out."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **{name: value for name, value in members.items() if value is not None},
    }
    content = json.dumps(document, cls=DjangoJSONEncoder)
    return HttpResponse(content, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def stock_problem(status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """The problem document of a bare status."""
    code, detail = SENTENCES.get(status, ("error", HTTPStatus(status).description or HTTPStatus(status).phrase))
    return problem(status, detail, code=code, headers=headers)


def not_found(_request: HttpRequest, _error: Http404 | type[Http404]) -> HttpResponse:
    """The same bytes for every object that is missing or foreign, and for every address that does not exist."""
    return stock_problem(404)


def from_domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    """An expected failure as a problem document."""
    status = status_of(request, error)
    if status == 404:
        return stock_problem(404)
    wait_s: int | None = getattr(error, "retry_after_s", None)
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    field = getattr(error, "field", None)
    return problem(status, error.text, code=error.code, headers=headers, field=field, retry_after_s=wait_s)


def status_of(request: HttpRequest, error: DomainError) -> int:
    """The HTTP status of an expected failure. A stale edit is 412 where the caller set the condition."""
    if isinstance(error, Stale) and "If-Match" in request.headers:
        return 412
    if error.code in BY_CODE:
        return BY_CODE[error.code]
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 422)


def from_validation(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    """422: values that do not have the shape of the document. Never repeats what was sent."""
    errors = field_errors(error.errors)
    first = errors[0]
    return problem(422, f"{first['field']}: {first['detail']}", code="invalid_input", errors=errors)
