"""Turns expected errors that reach the top into clear pages instead of a 500."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from botplatform.errors import Conflict, DomainError, NotAllowed, NotFound


class DomainErrorMiddleware:
    """Renders `DomainError` as a page with its one sentence; a missing object is Django's own 404."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotFound):
            raise Http404 from exception
        if not isinstance(exception, DomainError):
            return None
        status = {NotAllowed: 403, Conflict: 409}.get(type(exception), 400)
        return render(request, "domain_error.html", {"error": exception}, status=status)
