"""How a value is written in the place where its variable stands, so that it cannot leave that place. Pure.

Each function takes the name of the variable for its error, and raises `InvalidInput` for a value that has no safe
form there.
"""

from __future__ import annotations

import json
import math
import re
from urllib.parse import quote

from botplatform.errors import InvalidInput

Value = str | int | float | bool | None
LARGEST = 10**1000

_VISIBLE = re.compile(r"[\x20-\x7e]*", re.ASCII)
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]*", re.ASCII)  # cookie-octet: RFC 6265, 4.1.1
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # outside of Char: XML 1.0, 2.2
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_XML_TABLE = str.maketrans(_XML)


def refuse(name: str, why: str) -> InvalidInput:
    """The error about the value of one variable; `field` is the variable's name."""
    return InvalidInput(f"The variable “{name}” {why}.", field=name, code="variable_refused")


def as_text(name: str, value: Value) -> str:
    """A value as characters: JSON's words for true and false, no form for null."""
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise refuse(name, "holds half a character (a lone surrogate)")
        return value
    if value is None:
        raise refuse(name, "is null, and stands where only text can stand")
    return as_json(name, value)


def as_json(name: str, value: Value) -> str:
    """A value as a whole JSON value."""
    if isinstance(value, str):
        return json.dumps(as_text(name, value))
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse(name, "is not a finite number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise refuse(name, "is a number with more than a thousand digits")
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    raise refuse(name, "is neither text, a number, true, false nor null")


def in_json_string(name: str, value: Value) -> str:
    """Inside the quotes of a JSON string; only ASCII leaves."""
    return json.dumps(as_text(name, value))[1:-1]


def in_url(name: str, value: Value) -> str:
    """Percent-encoded, all but unreserved characters (RFC 3986, 2.3)."""
    return quote(as_text(name, value), safe="")


def in_path(name: str, value: Value) -> str:
    """Percent-encoded; no control characters, which no path needs."""
    text = as_text(name, value)
    if any(char < " " or char == "\x7f" for char in text):
        raise refuse(name, "holds a control character, and stands in the path of the URL")
    return quote(text, safe="")


def in_form(name: str, value: Value) -> str:
    """In a body of the type `application/x-www-form-urlencoded`."""
    return quote(as_text(name, value), safe="")


def in_header(name: str, value: Value) -> str:
    """Visible ASCII and spaces, so no line can end."""
    text = as_text(name, value)
    if not _VISIBLE.fullmatch(text):
        raise refuse(name, "stands in a header, where only visible ASCII characters are sent")
    return text


def in_quotes_of_header(name: str, value: Value) -> str:
    """Inside the double quotes of a header value (RFC 9110, 5.6.4)."""
    text = in_header(name, value)
    if '"' in text or "\\" in text:
        raise refuse(name, "stands between quotes in a header, and holds a quote or a backslash")
    return text


def in_cookie(name: str, value: Value) -> str:
    """Inside a Cookie header: nothing that begins another cookie."""
    text = as_text(name, value)
    if not _COOKIE.fullmatch(text):
        raise refuse(name, "stands in a cookie, and holds a space, a comma, a semicolon, a quote or a backslash")
    return text


def in_xml(name: str, value: Value) -> str:
    """As character data or inside the quotes of an attribute."""
    text = as_text(name, value)
    if _NOT_XML.search(text):
        raise refuse(name, "holds a character that XML cannot hold")
    return text.translate(_XML_TABLE)
