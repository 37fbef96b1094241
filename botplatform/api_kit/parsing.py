"""Reads JSON bodies strictly: what no field may hold is refused before anything sees it."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

from django.http import HttpRequest
from ninja.parser import Parser

from botplatform.errors import InvalidInput
from botplatform.text import holds_nul_or_surrogate

JSON = "application/json"
MULTIPART = "multipart/form-data"
LARGEST_NUMBER = 2**53  # beyond it, JSON programs disagree about the value


def malformed(text: str) -> InvalidInput:
    """400: the request itself cannot be read."""
    return InvalidInput(text, code="unreadable_request")


class StrictParser(Parser):
    """UTF-8 JSON objects without doubled names, NaN, huge numbers, NUL or half surrogate pairs."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        try:
            document = json.loads(request.body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
        except RecursionError as error:
            raise malformed("The body is nested too deeply.") from error
        except ValueError as error:
            raise malformed("The body is not a JSON document.") from error
        _check(document)
        return cast(dict[str, Any], document)


def check_media_type(request: HttpRequest, expected: str) -> None:
    """Raise unless the body comes as `expected`."""
    if (request.content_type or "").lower() != expected:
        raise InvalidInput(f"Send the body as {expected}.", code="unsupported_media_type")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise malformed("The body names a member of an object twice.")
    return found


def _constant(name: str) -> NoReturn:
    raise malformed(f"The body holds {name}, which JSON does not know.")


def _check(document: Any) -> None:
    """Walk the document without recursion."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and holds_nul_or_surrogate(value):
            raise malformed("The body holds a character that cannot be stored (NUL or half a pair).")
        elif isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
            raise malformed("The body holds a number that is too large.")
