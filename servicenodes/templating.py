"""Templates of a service node: `{{name}}` in the method, the URL, header values and the body. Pure.

Strict: a variable without a value and `{{` that begins no variable are errors. Each value is escaped for the place
where its variable stands, and cannot leave it. A host or port can never come from a variable: what is called is
known before the call. `docs/calling.md` tells the rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from botplatform.errors import InvalidInput
from servicenodes import escaping
from servicenodes.escaping import Value, refuse

_VARIABLE = re.compile(r"(?<!\{)\{\{ ?([A-Za-z_][A-Za-z0-9_]{0,62}) ?\}\}", re.ASCII)
_JSON_STRINGS = re.compile(r"\\.?|\"", re.DOTALL)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")  # that a service node may use
Escape = Callable[[str, Value], str]
Values = Mapping[str, Value]


class BodyKind(StrEnum):
    """What a body is, as its content type says; it decides how values are escaped."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    TEXT = "text"


@lru_cache(maxsize=2048)
def split(text: str) -> tuple[str, ...]:
    """Literal text and variable names in turn, beginning and ending with a literal.

    Raises `InvalidInput` for `{{` that begins no variable.
    """
    parts = tuple(_VARIABLE.split(text))
    if any("{{" in literal for literal in parts[::2]):
        raise InvalidInput("“{{” begins no variable here. Write {{name}}, with letters, digits and underscores.")
    return parts


def variables_of(text: str) -> frozenset[str]:
    """The names of the variables in a template. Raises `InvalidInput`."""
    return frozenset(split(text)[1::2])


def check_names(wanted: Collection[str], given: Collection[str]) -> None:
    """Raise `InvalidInput` that names a variable without a value, or a value for which there is no variable."""
    for name in sorted(set(wanted) - set(given)):
        raise InvalidInput(f"The variable “{name}” has no value.", field=name, code="variable_missing")
    for name in sorted(set(given) - set(wanted)):
        raise InvalidInput(
            f"This service node has no variable “{name[:80]}”.", field=name[:80], code="variable_unknown"
        )


def _fill(parts: tuple[str, ...], values: Values, escape: Escape) -> str:
    written = list(parts)
    for index in range(1, len(parts), 2):
        written[index] = escape(parts[index], _value(values, parts[index]))
    return "".join(written)


def _value(values: Values, name: str) -> Value:
    try:
        return values[name]
    except KeyError:
        raise InvalidInput(f"The variable “{name}” has no value.", field=name, code="variable_missing") from None


# --- Method -----------------------------------------------------------------------------------------------------------


def render_method(template: str, values: Values) -> str:
    """The method. Raises `InvalidInput` for a value that is none of `METHODS`, spelt as there."""
    parts = split(template)
    if len(parts) == 1:
        return template
    value = _value(values, parts[1])
    if value not in METHODS:
        raise refuse(parts[1], f"stands for the method, and is none of {', '.join(METHODS)}")
    return str(value)


def check_method(template: str) -> None:
    """Raise `InvalidInput` (field `method`) unless it is one of `METHODS`, or one variable and nothing else."""
    if template in METHODS:
        return
    parts = _VARIABLE.split(template)
    if len(parts) != 3 or parts[0] or parts[2]:
        text = f"The method is one of {', '.join(METHODS)}, or one variable, written {{{{name}}}}."
        raise InvalidInput(text, field="method")


# --- URL --------------------------------------------------------------------------------------------------------------


def render_url(template: str, values: Values) -> str:
    """The URL to call. Raises `InvalidInput` for a variable in scheme, host, port or fragment.

    A segment of the path that holds variables never becomes empty, `.` or `..`, however a server decodes it.
    """
    if len(split(template)) == 1:
        return template
    head, hash_sign, fragment = template.partition("#")
    if "{{" in fragment:
        raise InvalidInput("A variable stands after “#” in the URL. That part is never sent.", field="url")
    start = head.partition("?")[0].find("/", len("https://"))
    origin = head[:start] if start >= 0 else head.partition("?")[0]
    if "{{" in origin:
        text = "The host and port of the URL cannot hold a variable: what is called must be known before the call."
        raise InvalidInput(text, field="url")
    path, mark, query = head[len(origin) :].partition("?")
    return origin + _path(path, values) + mark + _fill(split(query), values, escaping.in_url) + hash_sign + fragment


def _path(path: str, values: Values) -> str:
    return "/".join(_segment(segment, values) for segment in path.split("/"))


def _segment(template: str, values: Values) -> str:
    parts = split(template)
    if len(parts) == 1:
        return template
    segment = _fill(parts, values, escaping.in_path)
    # Servers decode %2F, drop what stands after “;” and resolve dots in whichever order they like: what would climb is
    # refused.
    if {"", ".", ".."} & {step.partition(";")[0] for step in re.split(r"[/\\]", unquote(segment))}:
        raise refuse(parts[1], "would change the path of the URL: it is empty, or holds “.” or “..” as a step")
    return segment


# --- Headers ----------------------------------------------------------------------------------------------------------


def render_header(name: str, template: str, values: Values) -> str:
    """The value of the header `name`. Raises `InvalidInput`."""
    parts = split(template)
    if len(parts) == 1:
        return template
    cookie = name.lower() == "cookie"
    written, quoted = [parts[0]], _in_quotes(parts[0], inside=False)
    for index in range(1, len(parts), 2):
        escape = escaping.in_quotes_of_header if quoted else escaping.in_cookie if cookie else escaping.in_header
        written += [escape(parts[index], _value(values, parts[index])), parts[index + 1]]
        quoted = _in_quotes(parts[index + 1], inside=quoted)
    return "".join(written)


def _in_quotes(literal: str, *, inside: bool) -> bool:
    """Whether a quoted string is open after `literal`."""
    quotes = sum(1 for found in _JSON_STRINGS.findall(literal) if found == '"')
    return inside != bool(quotes % 2)


# --- Bodies -----------------------------------------------------------------------------------------------------------


def body_kind(content_type: str) -> BodyKind:
    """What a content type says about the body."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return BodyKind.JSON
    if media == "application/x-www-form-urlencoded":
        return BodyKind.FORM
    return BodyKind.XML if media in {"application/xml", "text/xml"} or media.endswith("+xml") else BodyKind.TEXT


def render_body(kind: BodyKind, template: str, values: Values) -> str:
    """The body. Raises `InvalidInput`."""
    render = {BodyKind.JSON: render_json_body, BodyKind.FORM: render_form_body, BodyKind.XML: render_xml_body}
    return render.get(kind, render_text)(template, values)


def render_json_body(template: str, values: Values) -> str:
    """A JSON text. Inside a string a value is escaped; elsewhere it becomes a JSON value of its own type."""
    parts = split(template)
    written, inside = [parts[0]], _json_state(parts[0], inside=False)
    for index in range(1, len(parts), 2):
        escape = escaping.in_json_string if inside else escaping.as_json
        written += [escape(parts[index], _value(values, parts[index])), parts[index + 1]]
        inside = _json_state(parts[index + 1], inside=inside)
    return "".join(written)


def bare_variables(template: str) -> frozenset[str]:
    """The variables of a JSON body that stand outside of every string, each time they stand."""
    parts = split(template)
    bare: set[str] = set()
    quoted: set[str] = set()
    inside = False
    for index in range(1, len(parts), 2):
        inside = _json_state(parts[index - 1], inside=inside)
        (quoted if inside else bare).add(parts[index])
    return frozenset(bare - quoted)


def _json_state(literal: str, *, inside: bool) -> bool:
    """Whether a string is open after `literal`. Raises `InvalidInput` for a backslash right before a variable."""
    for found in _JSON_STRINGS.finditer(literal):
        if found[0] == '"':
            inside = not inside
        elif found[0] == "\\":
            raise InvalidInput("A backslash stands right before a variable in the body.", field="body")
    return inside


def render_form_body(template: str, values: Values) -> str:
    """A body of the type `application/x-www-form-urlencoded`."""
    return _fill(split(template), values, escaping.in_form)


def render_xml_body(template: str, values: Values) -> str:
    """XML. Variables stand in text or between the quotes of an attribute; elsewhere they are refused."""
    parts = split(template)
    places = _xml_places("x".join(parts[::2]))
    start, end, at = *next(places), 0
    for index in range(1, len(parts), 2):
        at += len(parts[index - 1])
        while end < at:
            start, end = next(places, (len(template), len(template)))
        if at < start:
            text = f"The variable “{parts[index]}” stands inside a tag, a comment or a CDATA section of the XML body."
            raise InvalidInput(text, field="body")
        at += 1
    return _fill(parts, values, escaping.in_xml)


_XML_CLOSED = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"))
_XML_TAG = re.compile(r"<[^!?<>\"'](?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*>")
_XML_QUOTED = re.compile(r"(=\s*)?(?:\"([^\"]*)\"|'([^']*)')")


def _xml_places(text: str) -> Iterator[tuple[int, int]]:
    """First and last position of each stretch of character data, and of each quoted attribute value, in one pass."""
    at = 0
    while (start := text.find("<", at)) >= 0:
        yield at, start - 1
        closing = next((pair for pair in _XML_CLOSED if text.startswith(pair[0], start)), None)
        if closing is None:
            tag = _XML_TAG.match(text, start)
            at = tag.end() if tag else 0
            for quoted in _XML_QUOTED.finditer(text, start, at):
                if quoted[1] is not None:
                    yield quoted.start(quoted.lastindex or 0), quoted.end(quoted.lastindex or 0) - 1
        else:
            end = text.find(closing[1], start + len(closing[0]))
            at = end + len(closing[1]) if end >= 0 else 0
        if not at:  # it never closes, so nothing behind it is text
            return
    yield at, len(text)


def content_type_of(headers: Mapping[str, str], body: str) -> str:
    """The node's own Content-Type, else what the body looks like; empty without a body."""
    own = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if own or not body:
        return own
    return "application/json" if body.lstrip()[:1] in {"{", "["} else "text/plain; charset=utf-8"


def check_templates(*, url: str, headers: Mapping[str, str], body: str) -> None:
    """Raise `InvalidInput` (`field` names the part) unless every template can be filled."""
    for field, check in (
        ("url", lambda: render_url(url, dict.fromkeys(variables_of(url), "x"))),
        ("headers", lambda: _check_headers(headers)),
        ("body", lambda: _check_body(body_kind(content_type_of(headers, body)), body)),
    ):
        try:
            check()
        except InvalidInput as error:
            raise InvalidInput(error.text, field=field) from None


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if len(split(value)) > 1 and name.lower() == "content-type":
            raise InvalidInput("The header Content-Type cannot hold a variable: it decides how values are written.")


def _check_body(kind: BodyKind, body: str) -> None:
    if kind is not BodyKind.JSON or not body:
        render_body(kind, body, dict.fromkeys(variables_of(body), "x"))
        return
    sample: dict[str, Value] = dict.fromkeys(variables_of(body), "x")
    try:
        json.loads(render_json_body(body, sample))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The body is not JSON, even with its variables filled: {error}.") from None


def render_text(template: str, values: Values) -> str:
    """Any other body: values as they are; the template's author knows the format."""
    return _fill(split(template), values, escaping.as_text)
