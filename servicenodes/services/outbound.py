"""Carries the requests of the lower packages (`botplatform.outbound`) over the engine of calls, under its policy."""

from __future__ import annotations

from cryptography import x509
from django.conf import settings

from botplatform.outbound import OutboundAnswer, OutboundFailed, OutboundRequest
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.invoke import Caller, CallFailed, CallRequest, prepare
from servicenodes.tls.trust import TrustAnchors

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
    )
    try:
        result = _caller.call(prepare(call), open_credential=lambda: None)
    except CallFailed as failure:
        raise OutboundFailed(failure.text, reason=failure.reason, request_sent=failure.request_sent) from failure
    return OutboundAnswer(result.status, result.headers, result.body, truncated=result.truncated)


def close() -> None:
    """Close idle connections. For tests and for processes that end."""
    _caller.close()


def _trust(anchors: tuple[bytes, ...]) -> TrustAnchors:
    if not anchors:
        return TrustAnchors.system()
    return TrustAnchors.of(tuple(x509.load_der_x509_certificate(der) for der in anchors), "given")
