"""Host names as they are compared: lower-case A-labels without a final dot, or an IP address (RFC 5890). Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

from botplatform.errors import InvalidInput

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)


def host_name(text: str, *, field: str) -> str:
    """The name in its one form. Raises `InvalidInput`, also for a wildcard, a port or a URL."""
    given = text.strip()
    try:
        return str(ip_address(given.strip("[]")))
    except ValueError:
        pass
    try:
        name = given.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise InvalidInput(f"“{given[:80]}” is not a host name; write it without scheme, port and path.", field=field)
    return name
