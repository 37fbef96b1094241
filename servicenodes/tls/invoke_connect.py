"""Opening a connection for calls: resolve once, check every address, connect to a checked one, shake hands.

A server that does not ask for the certificate in TLS 1.3 may be one that asks only after the handshake, which this
engine does not offer. Where a certificate is required and the node allows TLS 1.2, that is tried then: no request has
been sent yet, and the server has already proven who it is, so nobody on the way can bring this about.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from OpenSSL import SSL

from certificates.pki.credential import Credential
from servicenodes.errors import AddressDenied, ConnectFailed, CredentialRefused, ResolveFailed
from servicenodes.tls.invoke_failure import CallFailed, failed
from servicenodes.tls.invoke_http import HttpConnection
from servicenodes.tls.invoke_pool import Connection
from servicenodes.tls.invoke_request import Prepared
from servicenodes.tls.invoke_stream import CallStream
from servicenodes.tls.observation import Attempt, AttemptKind, Failure
from servicenodes.tls.wire import (
    Deadline,
    Resolver,
    Wire,
    authority,
    connect,
    connect_through_proxy,
    resolve_within,
)

ContextFor = Callable[[str | None], SSL.Context]  # by the highest TLS version wanted


class Opener:
    """Opens the connections of one pool: one origin, one credential."""

    def __init__(self, credential: Credential | None, context_for: ContextFor, resolver: Resolver) -> None:
        self._credential = credential
        self._context_for = context_for
        self._resolver = resolver
        self._max_tls: str | None = None

    def open(self, prepared: Prepared, deadline: Deadline) -> Connection:
        """A connection to a server that has proven who it is. Raises `CallFailed`."""
        connection = self._open(prepared, deadline, self._max_tls)
        stream = connection.stream
        request = prepared.request
        satisfied = stream.requested or not request.require_client_certificate or self._credential is None
        if satisfied or stream.tls_version != "TLSv1.3" or request.min_tls == "1.3":
            return connection
        older = self._open_older(prepared, deadline)
        if older is None:
            return connection
        stream.close()
        self._max_tls = "1.2"
        return older

    def _open_older(self, prepared: Prepared, deadline: Deadline) -> Connection | None:
        try:
            older = self._open(prepared, deadline, "1.2")
        except CallFailed:
            return None  # a server without TLS 1.2; what is known of the first connection stands
        if older.stream.requested:
            return older
        older.stream.close()
        return None

    def _open(self, prepared: Prepared, deadline: Deadline, max_tls: str | None) -> Connection:
        timing = _Timing()
        before = prepared.observation(self._credential)
        try:
            context = self._context_for(max_tls)
            wire, address = self._open_wire(prepared, deadline, timing)
        except CredentialRefused as refused:
            raise failed(replace(before, unusable=refused.text)) from None
        except ResolveFailed as unresolved:
            raise failed(replace(before, resolve_failure=unresolved.text)) from None
        except AddressDenied as denied:
            raise failed(replace(before, denied=denied.text)) from None
        except ConnectFailed as error:
            attempt = Attempt(AttemptKind.CALL, failure=Failure(error.failure), failure_text=error.text)
            raise failed(replace(before, real=attempt)) from None
        stream = CallStream(context, prepared.server_name, wire, address=address, deadline=deadline)
        if not stream.handshake():
            failure = failed(replace(before, real=stream.facts(AttemptKind.CALL, ms=timing.total, http=None)))
            stream.close()
            raise failure
        timing.step("handshake")
        return Connection(stream, HttpConnection(stream), timing.steps)

    def _open_wire(self, prepared: Prepared, deadline: Deadline, timing: _Timing) -> tuple[Wire, str]:
        """Connect to a checked address, directly or through the proxy."""
        target = prepared.target
        answers = resolve_within(target.host, target.port, deadline, self._resolver)
        addresses = prepared.request.address_policy.check(target.host, target.port, answers)
        timing.step("resolve")
        if prepared.proxy is None:
            wire, address = connect(addresses, target.port, deadline)
        else:
            wire, address = connect_through_proxy(prepared.proxy, addresses, target.port, deadline)
        timing.step("connect")
        return wire, authority(address, target.port)


class _Timing:
    """Milliseconds of each step."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self.steps: dict[str, float] = {}

    def step(self, name: str) -> None:
        now = time.monotonic()
        self.steps[name] = (now - self._last) * 1000
        self._last = now

    @property
    def total(self) -> float:
        return (time.monotonic() - self._started) * 1000
