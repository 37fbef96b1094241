"""Carries the requests of the lower packages (`botplatform.outbound`) over the engine of calls, under its policy."""

from __future__ import annotations

from ipaddress import ip_address

from cryptography import x509
from django.conf import settings

from botplatform.errors import InvalidInput
from botplatform.outbound import OutboundAnswer, OutboundFailed, OutboundRequest
from servicenodes.errors import AddressDenied
from servicenodes.tls.address_policy import Address, AddressPolicy
from servicenodes.tls.invoke import Caller, CallFailed, CallRequest, prepare
from servicenodes.tls.judgement import Verdict
from servicenodes.tls.target import Target, parse_target
from servicenodes.tls.trust import TrustAnchors

LOOPBACK: list[Address] = [ip_address("127.0.0.1"), ip_address("::1")]
_caller = Caller()  # its connections present no client certificate, so they are kept apart from those of calls


def send(request: OutboundRequest) -> OutboundAnswer:
    """Send it. Raises `OutboundFailed`, and `InvalidInput` for what may not be sent."""
    call = CallRequest(
        method=request.method,
        url=request.url,
        headers=request.headers,
        body=request.body,
        credential_key=None,
        trust=_trust(request.anchors),
        timeout_s=request.timeout_s,
        address_policy=AddressPolicy.parse(settings.EGRESS_ALLOW),
        proxy=settings.EGRESS_PROXY or None,
        require_client_certificate=False,
        status_is_enough=request.status_is_enough,
    )
    try:
        result = _caller.call(prepare(call), open_credential=lambda: None)
    except CallFailed as failure:
        text = _told(failure, request)
        raise OutboundFailed(text, reason=failure.reason, request_sent=failure.request_sent) from failure
    return OutboundAnswer(result.status, result.headers, result.body, truncated=result.truncated)


def _told(failure: CallFailed, request: OutboundRequest) -> str:
    if failure.verdict is not Verdict.SERVER_UNTRUSTED:
        return failure.text
    judge = "the trust store chosen for it" if request.anchors else "the system’s authorities"
    return f"{failure.text} It was judged by {judge}."


def check(url: str) -> None:
    """Raises `InvalidInput` if certainly no request to `url` may leave: it holds an address that is not allowed."""
    target = parse_target(url)
    policy, denied = AddressPolicy.parse(settings.EGRESS_ALLOW), list[str]()
    candidates = _addresses(target)
    for address in candidates:
        try:
            policy.check(target.host, target.port, [address])
        except AddressDenied as refused:
            denied.append(refused.category)
    if candidates and len(denied) == len(candidates):
        text = f"{target.host} is no public address ({denied[0]}): nothing is sent there unless the operator adds it "
        raise InvalidInput(f"{text}to EGRESS_ALLOW.", field="url")


def _addresses(target: Target) -> list[Address]:
    """What the host leads to without a question to anybody. “localhost” is this machine (RFC 6761, 6.3)."""
    if target.is_address:
        return [ip_address(target.host)]
    return LOOPBACK if target.host.rpartition(".")[2] == "localhost" else []


def close() -> None:
    """Close idle connections. For tests and for processes that end."""
    _caller.close()


def _trust(anchors: tuple[bytes, ...]) -> TrustAnchors:
    if not anchors:
        return TrustAnchors.system()
    return TrustAnchors.of(tuple(x509.load_der_x509_certificate(der) for der in anchors), "given")
