"""Below `/api/` every error is a problem document, whoever found it: Django, a middleware, or nobody."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from botplatform.api_kit.problems import API_ROOT, MEDIA_TYPE, stock_problem

KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class ProblemMiddleware:
    """Replaces pages of errors by problem documents. Also forbids caches to keep any answer of the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith(API_ROOT):
            return response
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(MEDIA_TYPE):
            kept = {name: response[name] for name in KEPT_HEADERS if name in response}
            response = stock_problem(response.status_code, kept)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
