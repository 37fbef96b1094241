"""Error pages that Django and the middleware ask for by name."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from botplatform.errors import DomainError

RETRY_AFTER_S = 5


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is missing or old; `reason` is Django's, for logs only."""
    text = "This form has expired. Go back, reload the page and try again."
    if reason.startswith("Origin checking failed"):
        text = "This form was sent from an address that is not the console’s own. Whoever runs it sets BASE_URL."
    error = DomainError(text, code="csrf")
    return render(request, "domain_error.html", {"error": error}, status=403)


def database_busy() -> HttpResponse:
    """503: the database does not answer now. Rendered without the request, whose user and messages need it."""
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER_S)})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400. A host name that the console does not answer to is the operator's to allow; the log has the name."""
    context = {"foreign_host": isinstance(exception, DisallowedHost)}
    return HttpResponse(render_to_string("400.html", context), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 when it was the database, outside a view."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return database_busy()
    return HttpResponse(render_to_string("500.html"), status=500)
