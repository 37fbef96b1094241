"""Method, headers, body and timeout of a service node, as far as they can be taken over; notes tell the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botplatform.errors import InvalidInput
from servicenodes import templating
from servicenodes.definitions.shapes import an_object, decoded, text
from servicenodes.definitions.variables import Variables
from servicenodes.secret_headers import is_credential, must_be_sealed
from servicenodes.tls.target import check_headers

LONGEST_BODY = 100_000
LONGEST_HEADER = 4000
MOST_HEADERS = 50
NO_BODY = frozenset({"", "undefined", "null"})


@dataclass(slots=True)
class Headers:
    """What is sent as it is, and what is sealed."""

    plain: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)


def headers_of(exported: Any, variables: Variables, notes: list[str]) -> Headers:
    """The headers of a component. `exported` is `{"type": "raw", "value": "<JSON object>"}`."""
    found = Headers()
    names: set[str] = set()
    for name, value in _pairs(exported, notes):
        try:
            if len(names) == MOST_HEADERS or name.lower() in names:
                raise ValueError("there are too many headers, or it is given twice")
            secret, filled = _header(name, value, variables)
        except (ValueError, InvalidInput) as error:
            why = error.text if isinstance(error, InvalidInput) else f"{error}."
            what = "A header" if name[:40] in why else f"The header {name[:40]}"
            notes.append(f"{what} is left out: {why}")
            continue
        names.add(name.lower())
        if filled:
            (found.secret if secret else found.plain)[name] = filled
        elif is_credential(name):
            notes.append(f"The header {name[:40]} has no value in the export; give it one.")
    return found


def _header(name: str, template: str, variables: Variables) -> tuple[bool, str]:
    """Whether the header is to be sealed, and its value. Raises `InvalidInput`, `ValueError`."""
    value = variables.fill(template, secrets=True).strip()
    secret = variables.holds_secret(template) and "{{" not in value
    if not secret:
        value = variables.fill(template).strip()
    if len(name) + len(value) > LONGEST_HEADER or len(name) > 200:
        raise ValueError(f"it is longer than {LONGEST_HEADER} characters")
    check_headers([(name, value)])
    if name.lower() == "content-type" and "{{" in value:
        raise ValueError("the type of the body cannot be a variable")
    return (secret or bool(value and must_be_sealed(name, value))), value


def _pairs(exported: Any, notes: list[str]) -> list[tuple[str, str]]:
    value = an_object(exported).get("value")
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(decoded(value))
        except (ValueError, RecursionError):
            notes.append("The headers are left out: they are no JSON object.")
            return []
    return [(text(name).strip(), text(one)) for name, one in an_object(value).items()]


def body_of(exported: Any, headers: Mapping[str, str], variables: Variables, notes: list[str]) -> str:
    """The template of the body; empty when there is none, or none that can be filled."""
    spelt = decoded(an_object(exported).get("value"))
    if spelt.strip() in NO_BODY:
        return ""
    try:
        if len(spelt) > LONGEST_BODY:
            raise ValueError(f"it is longer than {LONGEST_BODY} characters")
        body = variables.fill(spelt).replace("\r\n", "\n")
        if len(body) > LONGEST_BODY:
            raise ValueError(f"it is longer than {LONGEST_BODY} characters")
        templating.check_templates(url="", headers=headers, body=body)
    except (ValueError, InvalidInput) as error:
        why = error.text if isinstance(error, InvalidInput) else f"{error}."
        notes.append(f"The body is left out, a call brings its own: {why}")
        return ""
    return body


def method_of(exported: Any, variables: Variables) -> str:
    """The method, or one variable for it. Raises `InvalidInput` for one that no service node has."""
    method = text(exported).strip() or "GET"
    method = variables.fill(method) if "{{" in method else method.upper()
    templating.check_method(method)
    return method


def timeout_of(exported: Any, notes: list[str]) -> int | None:
    """Seconds, 1 to 60; None: the export says nothing."""
    try:
        seconds = int(text(exported)[:9])
    except ValueError:
        return None
    if not 1 <= seconds <= 60:
        notes.append(f"The timeout of {seconds} seconds became {min(max(seconds, 1), 60)}.")
    return min(max(seconds, 1), 60)
