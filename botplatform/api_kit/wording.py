"""What is wrong with a value, in plain words: the validator's own are those of its library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

# What was to be sent, by the validator's type of error. `{}` is filled from the error's context.
EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "a list",
    "none_required": "null",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "uuid_parsing": "a UUID",
    "uuid_type": "a UUID",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} entries",
    "less_than_equal": "at most {le}",
    "greater_than_equal": "at least {ge}",
}
SENTENCES = {"missing": "This is missing.", "extra_forbidden": "There is no such field."}
SLUG_PATTERN = "[a-z0-9]+(?:-[a-z0-9]+)*"
VARIABLE_PATTERN, VARIABLE = r"\{\{", "one {{variable}}"
SLUG = "lower-case letters and digits, with single hyphens between them"
_ALTERNATIVE = re.compile(r"(?:constrained-)?str|int|float|bool|none|literal\[.*\]")

Found = Mapping[str, Any]


def field_errors(found: Iterable[Found]) -> list[dict[str, str]]:
    """`field` and `detail` of each value that is wrong; one where the validator tells of each alternative."""
    errors: list[dict[str, str]] = []
    for (value, _), group in groupby(found, key=_place):
        alternatives = list(group)
        place = tuple(alternatives[0]["loc"]) if len(alternatives) == 1 else value
        errors.append({"field": _field(place), "detail": _detail(alternatives)})
    return errors


def _place(found: Found) -> tuple[tuple[Any, ...], bool]:
    """Where the value stands. For one of several alternatives the last part is none of the place."""
    place = tuple(found["loc"])
    alternative = len(place) > 1 and _ALTERNATIVE.fullmatch(str(place[-1])) is not None
    return (place[:-1] if alternative else place), alternative


def _field(place: tuple[Any, ...]) -> str:
    # The first two parts say where was looked (body, query …) and the name of the argument.
    parts = [str(part) for part in place]
    named = parts[2:] if len(parts) > 2 and parts[0] in {"body", "form", "query"} else parts[1:]
    return ".".join(named) or parts[0]


def _detail(alternatives: list[Found]) -> str:
    first = alternatives[0]
    if first["type"] in SENTENCES:
        return SENTENCES[first["type"]]
    expected = list(dict.fromkeys(filter(None, map(_expected, alternatives))))
    return f"Send {', or '.join(expected)}." if expected else str(first["msg"])


def _expected(found: Found) -> str:
    context = found.get("ctx") or {}
    if found["type"] == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return SLUG if SLUG_PATTERN in pattern else VARIABLE if VARIABLE_PATTERN in pattern else ""
    try:
        return EXPECTED.get(found["type"], "").format(**context)
    except KeyError:
        return ""
