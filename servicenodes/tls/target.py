"""Where a connection goes: a service node's URL, read strictly (RFC 3986, RFC 5890), and what a request may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from botplatform.errors import InvalidInput

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
_NETLOC = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:[^:\[\]]*)?")
# Letters that the two generations of IDNA turn into different names (RFC 5894, 7.2).
_AMBIGUOUS = re.compile("[\u00df\u03c2\u200c\u200d]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?|", re.ASCII)
_FORBIDDEN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "expect"}
)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]")
# Characters of a path or query that stay as they are; everything else is percent-encoded.
_SAFE = "/?:@!$&'()*+,;=-._~%[]{}|^`\"<>\\"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host` is lower-case ASCII (A-labels), an IP address without brackets."""

    host: str
    port: int
    path: str  # path and query as sent in the request line

    @property
    def is_address(self) -> bool:
        """True if the host is an IP address as `ipaddress` spells them; odd spellings are names to be resolved."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The Host header (RFC 9110, 7.2): the port only if it is not 443."""
        return self.authority.removesuffix(":443") if self.port == 443 else self.authority


def parse_target(url: str) -> Target:
    """Take an `https://` URL apart. Raises `InvalidInput` (field `url`) with one sentence saying what is wrong."""
    if not url:
        raise _invalid("The URL is empty.")
    if len(url) > 2000:
        raise _invalid("The URL is longer than 2000 characters.")
    if _UNPRINTABLE.search(url) or "\\" in url.split("?", maxsplit=1)[0]:
        raise _invalid("The URL contains a space, a backslash or a control character.")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _invalid("The URL cannot be read: check the brackets around the host.") from None
    if parts.scheme == "http":
        raise _invalid("The URL starts with http://. A client certificate needs https://.")
    if parts.scheme != "https" or not url.lower().startswith("https://"):
        raise _invalid("The URL must start with https://.")
    if "@" in parts.netloc:
        raise _invalid("The URL contains a user name or password. Send credentials in a header instead.")
    if parts.netloc and not _NETLOC.fullmatch(parts.netloc):
        raise _invalid("The URL cannot be read: check what stands between https:// and the path.")
    host = normalise_host(parts.hostname or "", field="url")
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_SAFE)
    return Target(host=host, port=_port(parts.netloc), path=path)


@lru_cache(maxsize=1024)
def normalise_host(text: str, *, field: str) -> str:
    """A host name as lower-case A-labels without a final dot, or an IP address. Raises `InvalidInput`."""
    if not text:
        raise _invalid("The URL has no host name." if field == "url" else "The host name is empty.", field)
    if "{" in text or "}" in text:
        raise _invalid("The host name contains a variable. It must be known before the call.", field)
    if ":" in text:
        try:
            address = ip_address(text)
        except ValueError:
            raise _invalid(f"“{text}” is not an IPv6 address.", field) from None
        if "%" in text:
            raise _invalid("An IPv6 address with a zone cannot be called.", field)
        return str(address)
    if _AMBIGUOUS.search(text):
        raise _invalid(f"“{text}” can be read as two different names. Give its xn-- form.", field)
    try:
        ascii_host = text.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _invalid(f"“{text}” is not a host name.", field) from None
    if len(ascii_host) > 253 or not _HOST.fullmatch(ascii_host):
        raise _invalid(f"“{text}” is not a host name.", field)
    return ascii_host


def check_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers, if each may be sent. Raises `InvalidInput` (field `headers`) naming the one that may not."""
    checked = tuple(headers)
    for name, value in checked:
        if not _TOKEN.fullmatch(name):
            raise _invalid(f"“{name[:40]}” is not a header name.", "headers")
        if name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith("proxy-"):
            raise _invalid(f"The header {name} is set by the product and cannot be given.", "headers")
        if not _VALUE.fullmatch(value):
            raise _invalid(f"The value of the header {name} may hold visible ASCII characters only.", "headers")
    return checked


def check_method(method: str) -> str:
    """The method in upper case. Raises `InvalidInput` for what is no method, or hides the server's reason."""
    if method.upper() == "HEAD":
        raise _invalid("A test cannot be made with the method “HEAD”.", "method")
    return check_call_method(method)


def check_call_method(method: str) -> str:
    """The method in upper case. Raises `InvalidInput` for what is no method, or no request to a service."""
    if not _TOKEN.fullmatch(method) or method.upper() in {"CONNECT", "TRACE"}:
        raise _invalid(f"A service cannot be asked with the method “{method[:20]}”.", "method")
    return method.upper()


def parse_proxy(url: str) -> tuple[str, int]:
    """Host and port of an `http://host:port` proxy. Raises `InvalidInput` (field `proxy`)."""
    parts = urlsplit(url) if not _UNPRINTABLE.search(url) else None
    if parts is None or parts.scheme != "http" or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise _invalid("The proxy must be given as http://host:port.", "proxy")
    return normalise_host(parts.hostname or "", field="proxy"), _port(parts.netloc, default=8080, field="proxy")


def _port(netloc: str, *, default: int = 443, field: str = "url") -> int:
    after_host = netloc.rpartition("]")[2] if "]" in netloc else netloc
    _, colon, text = after_host.rpartition(":")
    if not colon:
        return default
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise _invalid(f"“{text}” is not a port between 1 and 65535.", field)
    return int(text)


def _invalid(text: str, field: str = "url") -> InvalidInput:
    return InvalidInput(text, field=field)
