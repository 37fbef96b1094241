"""All pools of a process, and the credentials they hold.

A pool belongs to exactly one credential version, trust, TLS policy, server name, origin, address policy and proxy, and
to calls that all require the certificate or all do not, because that decides how its connections are made. So a
promoted version is used by the very next call: its key is another, and leads to another pool. No TLS session is ever
resumed, in no pool: a resumed session presents no certificate. That costs one full handshake per connection, and kept
connections make it rare.

A credential is opened once, whatever the number of its pools, and is forgotten with the last of them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable

from OpenSSL import SSL

from certificates.pki.credential import Credential
from servicenodes.tls.context import ContextSpec, build_context
from servicenodes.tls.invoke_connect import Opener
from servicenodes.tls.invoke_pool import MAX_CONNECTIONS, Pool
from servicenodes.tls.invoke_request import CallRequest, Prepared
from servicenodes.tls.observation import AttemptKind
from servicenodes.tls.trust import TrustAnchors
from servicenodes.tls.wire import Resolver

MAX_POOLS = 512  # beyond it, the pool that was not used for the longest time goes
POOL_IDLE_S = 600.0  # a pool without calls is forgotten after this, and with its last pool the credential
SWEEP_S = 5.0
MAX_LINES = 4096

Open = Callable[[], Credential | None]
Key = tuple[Hashable, ...]


class Holder:
    """One opened credential with its TLS contexts: what `credential_key` names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = False
        self.credential: Credential | None = None
        self._contexts: dict[Key, SSL.Context] = {}

    def open(self, open_credential: Open) -> None:
        """Open the credential unless that has been done. Whatever `open_credential` raises is passed on."""
        with self._lock:
            if not self._opened:
                self.credential = open_credential()
                self._opened = True

    def context(self, trust: TrustAnchors, min_tls: str, max_tls: str | None) -> SSL.Context:
        """The context for these. Raises `CredentialRefused`."""
        key = (trust.key, min_tls, max_tls)
        with self._lock:
            if key not in self._contexts:
                spec = ContextSpec(AttemptKind.CALL, trust, min_tls, max_tls, self.credential)
                self._contexts[key] = build_context(spec)
            return self._contexts[key]


class HeldPool(Pool):
    """A pool that keeps its credential's holder alive."""

    def __init__(self, request: CallRequest, holder: Holder, resolver: Resolver, limit: int) -> None:
        trust, min_tls = request.trust, request.min_tls
        opener = Opener(holder.credential, lambda max_tls: holder.context(trust, min_tls, max_tls), resolver)
        super().__init__(opener.open, limit)
        self.holder = holder
        self.credential_key = request.credential_key


class Pools:
    """Finds the pool of a call. Thread-safe; in a forked child it starts empty."""

    def __init__(
        self, resolver: Resolver, *, max_pools: int = MAX_POOLS, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._resolver = resolver
        self._max_pools = max_pools
        self._max_connections = max_connections
        self._start_empty()
        itself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(itself()))

    def _start_empty(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[Key, HeldPool] = {}
        self._holders: weakref.WeakValueDictionary[Hashable, Holder] = weakref.WeakValueDictionary()
        self._lines: dict[Hashable, Hashable] = {}
        self._sweeper: threading.Thread | None = None
        self._closed = threading.Event()

    def pool_for(self, prepared: Prepared, open_credential: Open) -> HeldPool:
        """The pool that this call belongs to; made if there is none, and only then a credential may be opened."""
        request, target = prepared.request, prepared.target
        key = (
            request.credential_key,
            request.trust.key,
            request.min_tls,
            request.require_client_certificate,
            prepared.server_name,
            target.host,
            target.port,
            request.address_policy,
            prepared.proxy,
        )
        line = request.credential_line
        if line is not None and self._lines.get(line) != request.credential_key:
            self._switch(line, request.credential_key)
        return self._pools.get(key) or self._make(key, request, open_credential)

    def close(self) -> None:
        """Close what is idle and forget every credential; calls in flight finish."""
        with self._lock:
            self._closed.set()
            self._closed, self._sweeper = threading.Event(), None
            closing = list(self._pools.values())
            self._pools.clear()
            self._lines.clear()
        for pool in closing:
            pool.drain()

    def sweep(self, now: float) -> bool:
        """Close and forget what was not used for long. False when nothing is left to watch."""
        with self._lock:
            old = [
                key for key, pool in self._pools.items() if now - pool.last_used > POOL_IDLE_S and not pool.in_flight
            ]
            closing = [self._pools.pop(key) for key in old]
            staying = list(self._pools.values())
            if not staying:
                self._sweeper = None
        for pool in closing:
            pool.drain()
        for pool in staying:
            pool.expire(now)
        return bool(staying)

    def abandon(self) -> None:
        """After a fork: the connections are the parent's, so they are let go without a word."""
        pools = list(self._pools.values())
        self._start_empty()
        for pool in pools:
            pool.abandon()

    def _make(self, key: Key, request: CallRequest, open_credential: Open) -> HeldPool:
        with self._lock:
            holder = self._holders.get(request.credential_key)
            if holder is None:
                holder = self._holders[request.credential_key] = Holder()
        holder.open(open_credential)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                pool = self._pools[key] = HeldPool(request, holder, self._resolver, self._max_connections)
            evicted = self._evict(keep=pool)
            self._watch()
        for old in evicted:
            old.drain()
        return pool

    def _evict(self, *, keep: HeldPool) -> list[HeldPool]:
        by_age = sorted(self._pools.items(), key=lambda item: item[1].last_used)
        surplus = [key for key, pool in by_age if pool is not keep][: max(0, len(by_age) - self._max_pools)]
        return [self._pools.pop(key) for key in surplus]

    def _switch(self, line: Hashable, credential_key: Hashable) -> None:
        """A version was promoted, or rolled back: the pools of the line's earlier one drain."""
        with self._lock:
            earlier = self._lines.pop(line, None)
            self._lines[line] = credential_key
            while len(self._lines) > MAX_LINES:
                del self._lines[next(iter(self._lines))]
            pools = list(self._pools.values())
        for pool in pools:
            if pool.credential_key == credential_key:
                pool.keep()
            elif earlier is not None and pool.credential_key == earlier:
                pool.drain()

    def _watch(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=_sweep, args=(weakref.ref(self), self._closed), daemon=True)
            self._sweeper.start()


def _sweep(reference: weakref.ref[Pools], closed: threading.Event) -> None:
    while not closed.wait(SWEEP_S):
        pools = reference()
        if pools is None or not pools.sweep(time.monotonic()):
            return
        del pools


def _after_fork(pools: Pools | None) -> None:
    if pools is not None:
        with contextlib.suppress(OSError):
            pools.abandon()
