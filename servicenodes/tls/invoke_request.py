"""What a call sends: checked, and in the bytes that HTTP wants. Pure.

The header rules are those of `target.check_headers`. The product sets Host and Content-Length; it asks for an answer
that is not encoded unless the node asks otherwise, and never decodes: one megabyte of gzip can become two gigabytes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import h11

from certificates.pki.credential import Credential
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.observation import Observation
from servicenodes.tls.target import Target, check_call_method, check_headers, normalise_host, parse_proxy, parse_target
from servicenodes.tls.trust import TrustAnchors

USER_AGENT = "botplatform"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# RFC 9110, 9.2.2: asking twice means the same as asking once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One call. Its `credential_key` names exactly one credential for ever: a promoted version has another key.

    `credential_line` names what the credential is a version of. When a line gets another key, the idle connections of
    its earlier ones close at once; without a line they do so when they have been idle for long enough.
    `timeout_s` covers everything. `proxy` is `http://host:port` of the operator; the address policy applies to the
    target, not to the proxy. `allowed_hosts` empty means any. `status_is_enough`: what became of the body is no matter.
    """

    method: str
    url: str = field(repr=False)  # its query may hold what nobody else should read
    headers: tuple[tuple[str, str], ...] = field(repr=False)  # may hold tokens
    body: bytes = field(repr=False)
    credential_key: Hashable
    trust: TrustAnchors
    server_name: str | None = None
    min_tls: str = "1.2"
    timeout_s: float = 10.0
    address_policy: AddressPolicy = field(default_factory=AddressPolicy)
    proxy: str | None = None
    require_client_certificate: bool = True
    allowed_hosts: tuple[str, ...] = ()
    credential_line: Hashable = None
    status_is_enough: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked request. It may be called any number of times."""

    request: CallRequest
    target: Target = field(repr=False)
    method: str
    server_name: str
    proxy: tuple[str, int] | None
    head: h11.Request = field(repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although it may have been carried out."""
        return self.method in IDEMPOTENT

    @property
    def host_allowed(self) -> bool:
        """Whether the certificate may be presented there: neither the host nor the name it must prove is foreign."""
        allowed = {name.lower().rstrip(".") for name in self.request.allowed_hosts}
        return not allowed or {self.target.host, self.server_name} <= allowed

    def observation(self, credential: Credential | None) -> Observation:
        """What is known before anything has happened."""
        request = self.request
        return Observation(
            url=request.url,
            host=self.target.host,
            port=self.target.port,
            server_name=self.server_name,
            method=self.method,
            path=self.target.path,
            trust_label=request.trust.label,
            min_tls=request.min_tls,
            max_tls=None,
            presented=(credential.leaf, *credential.chain) if credential is not None else (),
            proxy=request.proxy,
        )


def prepare(request: CallRequest) -> Prepared:
    """Check the request. Raises `InvalidInput` naming what may not be sent."""
    target = parse_target(request.url)
    method = check_call_method(request.method)
    lines = _lines(request, method, target.host_header)
    return Prepared(
        request=request,
        target=target,
        method=method,
        server_name=(normalise_host(request.server_name, field="server_name") if request.server_name else target.host),
        proxy=parse_proxy(request.proxy) if request.proxy else None,
        head=h11.Request(method=method, target=target.path, headers=lines),
    )


def _lines(request: CallRequest, method: str, host: str) -> list[tuple[bytes, bytes]]:
    """Ours first; a header that the node sets replaces ours of that name, except those that it cannot set."""
    given = check_headers(request.headers)
    names = {name.lower() for name, _ in given}
    lines = [(b"Host", host.encode("ascii"))]
    for name, value in (("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Accept-Encoding", "identity")):
        if name.lower() not in names:
            lines.append((name.encode("ascii"), value.encode("ascii")))
    lines += [(name.encode("ascii"), value.encode("ascii")) for name, value in given]
    if request.body or method in WITH_BODY:
        lines.append((b"Content-Length", b"%d" % len(request.body)))
    return lines
