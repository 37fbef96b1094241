"""The composition root of the HTTP API, `/api/v1/`. Routers are included by string, as URLs are."""

from __future__ import annotations

from typing import NoReturn

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import include, path
from django.views.decorators.http import require_GET
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from botplatform.api_kit import problems
from botplatform.api_kit.documents import described, openapi, schemas
from botplatform.api_kit.parsing import StrictParser
from botplatform.bots.access import public, require_permission
from botplatform.bots.roles import Permission
from botplatform.errors import DomainError

DESCRIPTION = """Client certificates for the service nodes of chatbots, and proof that they work.

Send `Authorization: Bearer <token>`; tokens are made in the console or by the command `create_token`. Errors are
problem documents (RFC 9457) with a stable `code`. A missing object and one that the token may not know of are the
same 404. Lists are paged: pass `next` as `cursor`. Edits take `If-Match`; a stale one gets 412."""

api = NinjaAPI(
    title="Botplatform console",
    version="1",
    description=DESCRIPTION,
    openapi_url=None,
    docs_url=None,
    urls_namespace="api-1",
    parser=StrictParser(),
)
for router in ("botplatform.bots.api", "certificates.api", "servicenodes.api", "botplatform.audit.api"):
    api.add_router("", f"{router}.router")


@api.exception_handler(DomainError)
def _domain_error(request: HttpRequest, error: DomainError) -> HttpResponse:
    return problems.from_domain_error(request, error)


@api.exception_handler(ValidationError)
def _validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return problems.from_validation(request, error)


@api.exception_handler(AuthenticationError)
def _unauthorized(_request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    return problems.stock_problem(401, {"WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'})


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja refuses by itself; it wraps what the parser says about a body."""
    if isinstance(error.__cause__, DomainError):
        return problems.from_domain_error(request, error.__cause__)
    return problems.stock_problem(error.status_code)


@api.exception_handler(Exception)
def _unexpected(_request: HttpRequest, error: Exception) -> NoReturn:
    """Django logs it and answers 500, or 503 when it was the database; ninja would show the traceback."""
    raise error


api.add_exception_handler(Http404, problems.not_found)


@public
@require_GET
def openapi_json(_request: HttpRequest) -> HttpResponse:
    """The OpenAPI document. It tells nothing of this installation, so everybody may read it."""
    return JsonResponse(openapi(api))


@require_permission(Permission.CONSOLE)
@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """The same document for people, without a script and without another host."""
    document = openapi(api)
    return render(request, "api/docs.html", {"groups": described(document), "schemas": schemas(document)})


app_name = "api"
urlpatterns = [
    path("openapi.json", openapi_json, name="openapi"),
    path("docs", docs, name="docs"),
    path("", include((api.urls[0], "v1"))),
]
