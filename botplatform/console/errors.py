"""Error pages that Django asks for by name."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from botplatform.errors import DomainError


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's token is missing or old; `reason` is Django's, for logs only."""
    error = DomainError("This form has expired. Go back, reload the page and try again.", code="csrf")
    return render(request, "domain_error.html", {"error": error}, status=403)
