"""Turns what would be a stock 500 into a clear page: expected errors, malformed input, a busy database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db.utils import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.shortcuts import render

from botplatform.api_kit import problems
from botplatform.console.errors import database_busy
from botplatform.console.forms import MAX_FILES
from botplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed, NotFound
from botplatform.sealing import overtaken
from botplatform.text import holds_nul_or_surrogate

GetResponse = Callable[[HttpRequest], HttpResponse]
STATUSES = {NotAllowed: 403, Conflict: 409}
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
DRAIN_LIMIT_BYTES = 32 * 1024 * 1024  # a browser shows our page only after it could send; beyond this we hang up
DRAIN_CHUNK_BYTES = 64 * 1024


def error_page(request: HttpRequest, error: DomainError, status: int, *, back: str = "") -> HttpResponse:
    """The page with the error's one sentence, and a link `back` to the form; for programs, the problem document."""
    if request.path_info.startswith(problems.API_ROOT):
        return problems.problem(status, error.text, code=error.code)
    return render(request, "domain_error.html", {"error": error, "back": back}, status=status)


class BodyLimitMiddleware:
    """413 for a body beyond the cap, before anything parses it.

    The body is left out at once, but the page is made when the request has come as far as its user, for the menu.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit = _limit(request)
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0  # Django reads no body either
        if limit is None or length <= limit:
            return self.get_response(request)
        _drain(request, length)
        request._mark_post_parse_error()  # type: ignore[attr-defined]  # an empty form, as Django leaves it itself
        request.body_too_large = True  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        if not hasattr(request, "body_too_large"):
            return None
        text = _too_large(request)
        return error_page(request, InvalidInput(text, code="too_large"), 413, back=request.get_full_path())


def _limit(request: HttpRequest) -> int | None:
    """How long the body may be."""
    if takes_definitions(request):
        return settings.DEFINITION_UPLOAD_BYTES
    return settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def takes_definitions(request: HttpRequest) -> bool:
    """Whether files are sent to an address that takes exports of bots."""
    multipart = request.content_type == "multipart/form-data"
    return multipart and re.fullmatch(settings.DEFINITION_PATHS, request.path_info) is not None


def _too_large(request: HttpRequest) -> str:
    if takes_definitions(request):
        return "That is more than can be uploaded: at most 8 MB. Pack the export as a zip file."
    if request.content_type != "multipart/form-data":
        most_kb = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024
        return f"The body is more than can be read: at most {most_kb} KB."
    most = f"at most {settings.MAX_UPLOAD_KB} KB a file, and {MAX_FILES} files"
    return f"That is more than can be uploaded: {most}. Fill the form in again, with the files that belong together."


class SanitisingMiddleware:
    """400 for text that no field may hold and that databases refuse: NUL, lone surrogates, odd character sets."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in CHARSETS:
            request.encoding = "utf-8"
            return self._refuse(request, "Only UTF-8 is understood here.")
        try:
            malformed = any(holds_nul_or_surrogate(text) for text in _texts(request))
        except UnreadablePostError:
            return self._refuse(request, "The request ended before it was complete.")
        if malformed:
            return self._refuse(request, "The request holds a character that cannot be stored (NUL or half a pair).")
        return self.get_response(request)

    @staticmethod
    def _refuse(request: HttpRequest, text: str) -> HttpResponse:
        return error_page(request, InvalidInput(text, code="unreadable_request"), 400)


class DomainErrorMiddleware:
    """Renders `DomainError` as a page with its one sentence; a missing object is Django's own 404."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotFound):
            raise Http404 from exception
        if not isinstance(exception, DomainError):
            return None
        status = next((code for kind, code in STATUSES.items() if isinstance(exception, kind)), 400)
        return error_page(request, exception, status)


class DatabaseBusyMiddleware:
    """503 with Retry-After when the database cannot answer now; 409 when it refuses what a rotation has overtaken.

    `handler500` covers what fails outside a view.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if conflict := overtaken(exception):
            return error_page(request, conflict, 409)
        return database_busy() if isinstance(exception, (OperationalError, InterfaceError)) else None


def _texts(request: HttpRequest) -> Iterator[str]:
    """Every text the client chose: path, query string, cookies, form fields, file names."""
    yield request.path_info
    for name, value in request.COOKIES.items():
        yield name
        yield value
    sources = [request.GET]
    if request.method == "POST":
        sources.append(request.POST)
        for name, files in request.FILES.lists():
            yield name
            yield from (file.name or "" for file in files)
    for source in sources:
        for name, values in source.lists():
            yield name
            yield from values


def _drain(request: HttpRequest, length: int) -> None:
    left = min(length, DRAIN_LIMIT_BYTES)
    try:
        while left > 0 and (chunk := request.read(min(left, DRAIN_CHUNK_BYTES))):
            left -= len(chunk)
    except UnreadablePostError:
        return
