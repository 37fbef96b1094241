"""Calls to loopback peers with the clients of `world`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from certificates.pki.credential import Credential
from servicenodes.tls.invoke import Caller, CallFailed, CallRequest, CallResult
from tests.servicenodes.tls.world import LOOPBACK, world


def call_request(url: str, client: str = "good_p256", **options: Any) -> CallRequest:
    """A GET that presents the client's certificate and insists on it."""
    values: dict[str, Any] = {
        "method": "GET",
        "headers": (),
        "body": b"",
        "credential_key": client,
        "trust": world().trust,
        "address_policy": LOOPBACK,
        "timeout_s": 3.0,
        **options,
    }
    return CallRequest(url=url, **values)


def opened(client: str) -> Callable[[], Credential | None]:
    """What opens the credential of this client."""
    return lambda: world().clients[client]


def make_call(caller: Caller, url: str, client: str = "good_p256", **options: Any) -> CallResult:
    """Make a call."""
    return caller.call(call_request(url, client, **options), open_credential=opened(client))


def outcome(caller: Caller, url: str, client: str = "good_p256", **options: Any) -> CallResult | CallFailed:
    """Make a call; its result or its failure."""
    try:
        return make_call(caller, url, client, **options)
    except CallFailed as failure:
        return failure
