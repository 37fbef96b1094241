"""The runtime's call: one HTTP/1.1 exchange with a service, presenting the client certificate.

It runs on the machine, the contexts, the address policy and the words of the connection test, so a test predicts it.

Fails closed. The request leaves only when the server has proven who it is, has asked for the certificate, and the
certificate was sent, unless the caller allows otherwise; and only to hosts that the certificate is meant for.
Limits: a server that asks after the request only (TLS 1.2 renegotiation) counts as not asking, and TLS 1.3
post-handshake authentication is not offered; for such a service the caller must allow calls without the certificate.

In TLS 1.3 the server's word about the certificate comes after the handshake, so a rejected request has left but was
never read. A kept connection that the server has meanwhile closed is replaced once, if nothing of an answer was seen
and the request may be repeated: its method is idempotent, or none of its bytes left this machine.

Answers are bounded, never decoded, and redirects are not followed: `CallResult.location` says where to.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from certificates.pki.credential import Credential
from servicenodes.tls.http import MAX_RAW, certificate_page
from servicenodes.tls.invoke_failure import CallFailed, broken_answer, busy, failed, host_not_allowed, unanswered
from servicenodes.tls.invoke_http import MAX_BODY, Answer, BrokenAnswer
from servicenodes.tls.invoke_pool import MAX_CONNECTIONS, Connection, PoolBusy
from servicenodes.tls.invoke_pools import MAX_POOLS, HeldPool, Pools
from servicenodes.tls.invoke_request import CallRequest, Prepared, prepare
from servicenodes.tls.invoke_stream import StreamEnded
from servicenodes.tls.judgement import Reason
from servicenodes.tls.observation import AttemptKind, Ending, HttpAnswer, Sent
from servicenodes.tls.wire import Deadline, Resolver, resolve

__all__ = ["MAX_BODY", "CallFailed", "CallRequest", "CallResult", "Caller", "prepare"]


@dataclass(slots=True)
class CallResult:
    """The answer. `timing_ms`: resolve, connect, handshake, first_byte, total; the first three only for a connection
    made for this call. Header names are as the server wrote them, values decoded as ISO 8859-1 (RFC 9110, 5.5)."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    location: str | None
    timing_ms: dict[str, float]
    reused: bool
    tls_version: str | None
    certificate_requested: bool
    certificate_sent: bool


class _Stale(Exception):
    """A kept connection turned out to be closed, and the request may be sent again."""


class Caller:
    """Makes calls over kept connections. Thread-safe; one per process. A forked child starts without connections."""

    def __init__(
        self, *, resolver: Resolver = resolve, max_pools: int = MAX_POOLS, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._pools = Pools(resolver, max_pools=max_pools, max_connections=max_connections)

    def call(self, prepared: Prepared, *, open_credential: Callable[[], Credential | None]) -> CallResult:
        """Make the call. `open_credential` runs only if the credential is not at hand, and what it raises is passed on.

        Raises `CallFailed`.
        """
        started = time.monotonic()
        deadline = Deadline(started + prepared.request.timeout_s)
        if not prepared.host_allowed:
            raise failed(prepared.observation(None), ruling=host_not_allowed())
        pool = self._pools.pool_for(prepared, open_credential)
        try:
            return self._once(pool, prepared, deadline, started, fresh=False)
        except _Stale:
            return self._once(pool, prepared, deadline, started, fresh=True)

    def close(self) -> None:
        """Close idle connections and forget the credentials. Calls in flight finish; a later call starts anew."""
        self._pools.close()

    def _once(
        self, pool: HeldPool, prepared: Prepared, deadline: Deadline, started: float, *, fresh: bool
    ) -> CallResult:
        try:
            connection = pool.acquire(prepared, deadline, fresh=fresh)
        except PoolBusy:
            raise failed(prepared.observation(pool.holder.credential), ruling=busy()) from None
        try:
            return _Exchange(connection, prepared, pool.holder.credential).run(deadline, started)
        finally:
            pool.release(connection)


class _Exchange:
    """One request and its answer on one connection."""

    def __init__(self, connection: Connection, prepared: Prepared, credential: Credential | None) -> None:
        self._connection = connection
        self._stream = connection.stream
        self._prepared = prepared
        self._credential = credential
        self._reused = connection.served > 0
        self._answer = Answer()

    def run(self, deadline: Deadline, started: float) -> CallResult:
        """Send, and read the answer. Raises `CallFailed` or `_Stale`."""
        stream, answer = self._stream, self._answer
        stream.begin(deadline)
        sent = stream.sent is Sent.CERTIFICATE
        if self._prepared.request.require_client_certificate and not sent:
            raise self._failed()
        try:
            self._connection.http.exchange(self._prepared, answer)
        except (StreamEnded, BrokenAnswer) as failure:
            if answer.status is None or not self._prepared.request.status_is_enough:
                raise self._unusable(failure) from None
            answer.truncated = True
        if self._complaint is not None:
            raise self._rejected(self._complaint)
        return CallResult(
            status=answer.status or 0,
            headers=answer.headers,
            body=bytes(answer.body),
            truncated=answer.truncated,
            location=next((value for name, value in answer.headers if name.lower() == "location"), None),
            timing_ms=self._timing(started),
            reused=self._reused,
            tls_version=stream.tls_version,
            certificate_requested=stream.requested,
            certificate_sent=sent or stream.sent is Sent.CERTIFICATE,
        )

    @property
    def _complaint(self) -> str | None:
        """What the answer says about our certificate, if it is an answer of that kind."""
        return certificate_page(self._answer.status or 0, bytes(self._answer.body[:MAX_RAW]))

    def _timing(self, started: float) -> dict[str, float]:
        timing = {} if self._reused else dict(self._connection.timing_ms)
        timing["first_byte"] = (self._stream.first_byte_at - started) * 1000
        timing["total"] = (time.monotonic() - started) * 1000
        return timing

    def _unusable(self, failure: StreamEnded | BrokenAnswer) -> CallFailed | _Stale:
        return self._broken(failure.reason) if isinstance(failure, BrokenAnswer) else self._ended()

    def _ended(self) -> CallFailed | _Stale:
        """The stream ended before the answer was complete."""
        stream = self._stream
        if stream.first_byte_at:
            return self._broken(Reason.TOO_SLOW)
        closed = stream.ending in (Ending.CLOSED, Ending.RESET)
        if closed and self._reused and (self._prepared.repeatable or not stream.wrote):
            return _Stale()
        return self._failed()

    def _broken(self, reason: Reason) -> CallFailed:
        """The answer began, and cannot be used."""
        if self._complaint is not None:
            return self._rejected(self._complaint)
        status = self._answer.status
        http = HttpAnswer(status) if status is not None else None
        attempt = self._stream.facts(AttemptKind.CALL, ms=0.0, http=http)
        attempt = replace(attempt, ending=self._stream.ending or Ending.DATA)
        observation = replace(self._prepared.observation(self._credential), real=attempt)
        return failed(observation, ruling=broken_answer(reason), request_sent=True)

    def _rejected(self, text: str) -> CallFailed:
        """The server says in HTTP that it does not accept the certificate."""
        http = HttpAnswer(self._answer.status or 0, text)
        attempt = replace(self._stream.facts(AttemptKind.CALL, ms=0.0, http=http), ending=Ending.DATA)
        observation = replace(self._prepared.observation(self._credential), real=attempt)
        return failed(observation, request_sent=True, reused=self._reused)

    def _failed(self) -> CallFailed:
        attempt = self._stream.facts(AttemptKind.CALL, ms=0.0, http=None)
        observation = replace(self._prepared.observation(self._credential), real=attempt)
        ruling = unanswered(attempt, reused=self._reused)
        return failed(observation, ruling=ruling, request_sent=self._stream.wrote, reused=self._reused)
