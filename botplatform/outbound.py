"""How the lower packages reach other hosts: webhooks, certificate authorities, key stores.

Only `servicenodes.tls` opens sockets, under the operator's address policy. `settings.OUTBOUND_CONNECTOR` names what
carries a request there, and `settings.OUTBOUND_CHECK` what judges an address beforehand; this module knows only the
shape of a request and of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.utils.module_loading import import_string

from botplatform.errors import DomainError


class OutboundFailed(DomainError):
    """No answer came, or the request was not allowed to leave. `reason` is a word of `docs/verdicts.md`.

    `request_sent`: whether any byte of the request left this machine.
    """

    code = "outbound_failed"

    def __init__(self, text: str, *, reason: str, request_sent: bool) -> None:
        super().__init__(text)
        self.reason = reason
        self.request_sent = request_sent


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One HTTPS request without a client certificate. `url` begins with `https://`; no redirect is followed.

    `anchors`: DER of the certificates to trust; empty: the system's. `timeout_s` covers everything. `status_is_enough`:
    an answer whose body breaks off is one all the same; many a small server closes without saying goodbye.
    """

    method: str
    url: str = field(repr=False)  # may hold a token
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    anchors: tuple[bytes, ...] = field(default=(), repr=False)
    timeout_s: float = 10.0
    status_is_enough: bool = False


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What the server answered, whatever the status. `body` is bounded and not decoded."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool = False

    def header(self, name: str) -> str | None:
        """The first header of that name, in any spelling."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


def send(request: OutboundRequest) -> OutboundAnswer:
    """Send it. Raises `OutboundFailed`, and `InvalidInput` for what may not be sent."""
    answer: OutboundAnswer = import_string(settings.OUTBOUND_CONNECTOR)(request)
    return answer


def check(url: str) -> None:
    """Raises `InvalidInput` (field `url`) if certainly no request to `url` may leave. A name is judged when used."""
    import_string(settings.OUTBOUND_CHECK)(url)
