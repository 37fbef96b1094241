"""The URL of a service node, put together from what the builder exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from botplatform.errors import InvalidInput
from servicenodes import templating
from servicenodes.definitions.shapes import decoded, text
from servicenodes.definitions.variables import Variables
from servicenodes.tls.target import parse_target

LONGEST_URL = 2000
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PASSWORD = re.compile(r"//[^/?#@]*@")
_SAFE = "/?:@!$&'()*+,;=-._~%[]{}#"
GIVE_ONE = "Give it a URL to test and call."


@dataclass(frozen=True, slots=True)
class Address:
    """`url` can be called; or it is empty, `exported` tells what the export says, and `why` what is wrong with it."""

    url: str
    exported: str = ""
    why: str = ""


def address_of(end_point: dict[str, Any], variables: Variables) -> Address:
    """Where the node's call goes."""
    spelt = _spelt(end_point)
    try:
        url = encoded(variables.fill(spelt))
        why = _what_is_wrong(url)
    except ValueError as error:
        url, why = spelt, f"The URL cannot be used: {error}."
    return Address(url, "", "") if not why else Address("", _PASSWORD.sub("//", url)[:LONGEST_URL] or "(none)", why)


def _spelt(end_point: dict[str, Any]) -> str:
    """Scheme, host, port and path; often the whole URL stands in the path."""
    host, port, path = text(end_point.get("host")).strip(), text(end_point.get("port")).strip(), end_point.get("path")
    if not host:
        return decoded(path).strip()
    protocol = text(end_point.get("protocol")).strip().lower() or "https"
    rest = decoded(path).strip()
    slash = "/" if rest and rest[0] not in "/?#" else ""
    return f"{protocol}://{decoded(host)}{f':{port}' if port else ''}{slash}{rest}"


def encoded(url: str) -> str:
    """With everything after the host percent-encoded that no URL may hold; what is encoded already stays."""
    found = _ORIGIN.match(url)
    origin = found[0] if found else ""
    return origin + quote(_LONE_PERCENT.sub("%25", url[len(origin) :]), safe=_SAFE)


def _what_is_wrong(url: str) -> str:
    """Why the URL cannot be called; empty when it can."""
    if not url:
        return f"The export names no URL. {GIVE_ONE}"
    if url.lower().startswith("http://"):
        return f"It calls plain HTTP, where no certificate can be presented. {GIVE_ONE}"
    if not _ORIGIN.match(url) or "{{" in _ORIGIN.match(url)[0]:  # type: ignore[index]
        return f"The host of its URL is known only when the bot runs. {GIVE_ONE}"
    try:
        parse_target(url)
        templating.render_url(url, dict.fromkeys(templating.variables_of(url), "x"))
    except InvalidInput as error:
        return f"{error.text} {GIVE_ONE}"
    return ""
