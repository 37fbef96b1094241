"""A probe: the attempts of one connection test, in the order that finds the truth.

Control (no client certificate, every verification error collected) → stop if the server is not to be trusted →
real (strict) → canary, if asked for. The decision about all of it is `verdict.decide`.

Synchronous over non-blocking sockets, with one deadline over everything; threads give concurrency.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

from cryptography import x509

from certificates.pki.credential import Credential
from servicenodes.errors import AddressDenied, ConnectFailed, CredentialRefused, ResolveFailed
from servicenodes.tls import timeline
from servicenodes.tls.address_policy import Address, AddressPolicy
from servicenodes.tls.attempt import Conversation, Plan
from servicenodes.tls.canary import make_canary
from servicenodes.tls.context import ContextSpec, context_for
from servicenodes.tls.observation import (
    Attempt,
    AttemptKind,
    Ending,
    Failure,
    Observation,
    Step,
    StepName,
    StepStatus,
)
from servicenodes.tls.target import Target, check_headers, check_method, normalise_host, parse_proxy, parse_target
from servicenodes.tls.trust import TrustAnchors
from servicenodes.tls.wire import (
    Deadline,
    Resolver,
    Wire,
    authority,
    connect,
    connect_through_proxy,
    resolve,
    resolve_within,
)

HANDSHAKE_STEPS = (
    StepName.SERVER_HELLO,
    StepName.SERVER_CERTIFICATE,
    StepName.CERTIFICATE_REQUEST,
    StepName.CLIENT_CERTIFICATE,
)
CONNECTED_TO_PROXY = "Connected to the proxy."
OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Locked:
    """A credential whose key is opened only when a connection will be made: leaf and chain, and what opens it.

    `open` raises `CredentialRefused` where that cannot be.
    """

    certificates: tuple[x509.Certificate, ...]
    open: Callable[[], Credential]


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to test. `timeout_s` covers everything. `credential` or `locked`: with neither, nothing is presented.

    `proxy` is `http://host:port`; it is the operator's configuration, so the address policy applies to the target and
    not to the proxy itself.
    """

    url: str
    trust: TrustAnchors
    address_policy: AddressPolicy
    credential: Credential | None = None
    method: str = "OPTIONS"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold tokens
    server_name: str | None = None
    min_tls: str = "1.2"
    max_tls: str | None = None
    timeout_s: float = 10.0
    control: bool = True
    canary: bool = False
    proxy: str | None = None
    locked: Locked | None = None


def run_probe(request: ProbeRequest, *, on_step: OnStep | None = None, resolver: Resolver = resolve) -> Observation:
    """Make the attempts. Raises `InvalidInput` only: whatever goes wrong with the connection is an observation.

    `on_step` is called with each step as it happens. A later call with the same name replaces the earlier one.
    """
    return _Probe(request, on_step, resolver).run()


class _Probe:
    def __init__(self, request: ProbeRequest, on_step: OnStep | None, resolver: Resolver) -> None:
        self._request = request
        self._target: Target = parse_target(request.url)
        self._headers = check_headers(request.headers)
        self._method = check_method(request.method)
        self._proxy = parse_proxy(request.proxy) if request.proxy else None
        name = request.server_name
        self._server_name = normalise_host(name, field="server_name") if name else self._target.host
        self._on_step = on_step
        self._resolver = resolver
        self._steps: dict[StepName, Step] = {}
        self._told = True
        self._started = self._last = time.monotonic()
        self._deadline = Deadline(self._started + request.timeout_s)
        self._addresses: tuple[Address, ...] = ()
        credential = self._credential = request.credential
        locked = request.locked.certificates if request.locked else ()
        self._seen = Observation(
            url=request.url,
            host=self._target.host,
            port=self._target.port,
            server_name=self._server_name,
            method=self._method,
            path=self._target.path,
            trust_label=request.trust.label,
            min_tls=request.min_tls,
            max_tls=request.max_tls,
            presented=(credential.leaf, *credential.chain) if credential else locked,
            proxy=request.proxy,
        )

    def run(self) -> Observation:
        if self._resolve() and self._ready_credential():
            self._make_attempts()
        for name in StepName:
            if name not in self._steps and (name is not StepName.PROXY or self._proxy):
                self._say(Step(name, StepStatus.SKIPPED, timeline.NOT_REACHED), timed=False)
        steps = tuple(self._steps[name] for name in StepName if name in self._steps)
        duration = (time.monotonic() - self._started) * 1000
        return replace(self._seen, steps=steps, duration_ms=duration)

    def _ready_credential(self) -> bool:
        """A certificate that cannot be opened, or that the engine does not take, is known before anything is sent."""
        try:
            if self._request.locked is not None:
                self._credential = self._request.locked.open()
            if self._credential is not None:
                context_for(self._spec(AttemptKind.REAL, self._request.max_tls))
        except CredentialRefused as refused:
            self._seen = replace(self._seen, unusable=refused.text, unusable_reason=refused.reason)
            self._say(Step(StepName.CLIENT_CERTIFICATE, StepStatus.FAILED, refused.text))
            return False
        return True

    def _resolve(self) -> bool:
        host, port = self._target.host, self._target.port
        try:
            answers = resolve_within(host, port, self._deadline, self._resolver)
            self._addresses = self._request.address_policy.check(host, port, answers)
        except ResolveFailed as failed:
            self._seen = replace(self._seen, resolve_failure=failed.text)
            self._say(Step(StepName.RESOLVE, StepStatus.FAILED, failed.text))
            return False
        except AddressDenied as denied:
            self._seen = replace(self._seen, denied=denied.text)
            self._say(Step(StepName.RESOLVE, StepStatus.FAILED, denied.text))
            return False
        count = len(self._addresses)
        known = "has one address" if count == 1 else f"has {count} addresses"
        self._say(Step(StepName.RESOLVE, StepStatus.OK, f"{host} {known}. All of them may be called."))
        return True

    def _make_attempts(self) -> None:
        request = self._request
        self._both(request.max_tls)
        real = self._seen.real
        if real is not None and self._may_hide_a_late_request(real):
            self._try_tls12()
        elif real is not None and self._worth_repeating(real):
            again = self._attempt(AttemptKind.REAL, request.max_tls, told=False)
            self._seen = replace(self._seen, real=again if again.failure is None else real, repeated=True)
        if request.canary and self._seen.real is not None and self._seen.real.ending is Ending.DATA:
            cap = "1.2" if self._seen.capped_to_tls12 else request.max_tls
            self._seen = replace(self._seen, canary=self._attempt(AttemptKind.CANARY, cap, told=False))
        if self._seen.real is not None:
            self._tell_outcome(self._seen.real)

    def _try_tls12(self) -> None:
        """In TLS 1.2 the server may ask where in TLS 1.3 it cannot. If it does not answer in 1.2, nothing is lost."""
        seen, steps = self._seen, dict(self._steps)
        for name in HANDSHAKE_STEPS:  # to be told anew
            self._steps.pop(name, None)
        self._both("1.2")
        real = self._seen.real
        if real is not None and (real.handshake_completed or real.requested):
            self._seen = replace(self._seen, capped_to_tls12=True)
            return
        self._seen, self._steps = seen, {}
        for step in steps.values():
            self._say(step, timed=False)
        self._steps = steps

    def _both(self, max_tls: str | None) -> None:
        """Control and real attempt. Without a credential one attempt is both, and it is called the real one."""
        if self._request.control and self._credential is not None:
            control = self._attempt(AttemptKind.CONTROL, max_tls)
            self._seen = replace(self._seen, control=control, real=None)
            untrusted = bool(control.verify_errors) or control.hostname_matched is False
            if control.failure is not None or untrusted or not _got_far(control):
                return
        self._seen = replace(self._seen, real=self._attempt(AttemptKind.REAL, max_tls))

    def _may_hide_a_late_request(self, real: Attempt) -> bool:
        """TLS 1.3 lets a server ask after the handshake, which this engine does not offer; such a server says 403."""
        forbidden = real.http is not None and real.http.status == 403
        capped = self._request.min_tls == "1.3" or self._request.max_tls == "1.2"
        unasked = not real.requested and real.tls_version == "TLSv1.3"
        return unasked and forbidden and not capped and self._credential is not None

    def _worth_repeating(self, real: Attempt) -> bool:
        """Closed without a word only after our request: perhaps chance, so it is tried once more."""
        silent = real.ending in (Ending.CLOSED, Ending.RESET) and real.request_sent
        control_got_data = self._seen.control is not None and self._seen.control.ending is Ending.DATA
        return silent and real.requested and not control_got_data

    def _attempt(self, kind: AttemptKind, max_tls: str | None, *, told: bool = True) -> Attempt:
        """One attempt. One that is not `told` leaves the timeline as the attempts before it wrote it."""
        started = time.monotonic()
        self._told = told
        try:
            wire, address = self._open_wire()
        except ConnectFailed as failed:
            phase = StepName.PROXY if failed.phase == "proxy" else StepName.CONNECT
            self._say(Step(phase, StepStatus.FAILED, failed.text))
            elapsed = (time.monotonic() - started) * 1000
            return Attempt(kind, failure=Failure(failed.failure), failure_text=failed.text, ms=elapsed)
        with closing(wire):
            conversation = Conversation(self._plan(kind, max_tls), wire, address=address, deadline=self._deadline)
            if self._handshake(conversation, kind) and conversation.listen():
                conversation.ask()
            facts = conversation.facts(kind, ms=(time.monotonic() - started) * 1000)
            conversation.close()
            return facts

    def _handshake(self, conversation: Conversation, kind: AttemptKind) -> bool:
        going_on = conversation.handshake()
        facts = conversation.facts(kind, ms=0.0)
        self._say(timeline.server_hello(facts))
        if facts.server_hello:
            self._say(timeline.server_certificate(facts))
            self._say(timeline.certificate_request(facts), timed=False)
        if kind is AttemptKind.REAL and facts.server_hello:
            self._say(timeline.client_certificate(self._seen, facts))
        return going_on

    def _open_wire(self) -> tuple[Wire, str]:
        """Connect to a checked address, directly or through the proxy. Raises `ConnectFailed`."""
        if self._proxy is None:
            wire, address = connect(self._addresses, self._target.port, self._deadline)
            where = authority(address, self._target.port)
            self._say(Step(StepName.CONNECT, StepStatus.OK, f"Connected to {where}."))
            return wire, where
        try:
            wire, address = connect_through_proxy(self._proxy, self._addresses, self._target.port, self._deadline)
        except ConnectFailed as failed:
            if failed.failure == Failure.PROXY_REFUSED:
                self._say(Step(StepName.CONNECT, StepStatus.OK, CONNECTED_TO_PROXY))
            raise
        self._say(Step(StepName.CONNECT, StepStatus.OK, CONNECTED_TO_PROXY))
        where = authority(address, self._target.port)
        self._say(Step(StepName.PROXY, StepStatus.OK, f"The proxy opened a tunnel to {where}."), timed=False)
        return wire, where

    def _plan(self, kind: AttemptKind, max_tls: str | None) -> Plan:
        request = self._request
        waiting = (2 if request.control else 1) + request.canary
        left = self._deadline.left
        return Plan(
            spec=self._spec(kind, max_tls),
            server_name=self._server_name,
            host_header=self._target.host_header,
            method=self._method,
            path=self._target.path,
            headers=self._headers,
            observe=kind is AttemptKind.CONTROL or self._credential is None,
            patience_s=left / waiting if kind is AttemptKind.CONTROL else left,
        )

    def _spec(self, kind: AttemptKind, max_tls: str | None) -> ContextSpec:
        request = self._request
        credentials = {
            AttemptKind.CONTROL: lambda: None,
            AttemptKind.REAL: lambda: self._credential,
            AttemptKind.CANARY: make_canary,
        }
        return ContextSpec(kind, request.trust, request.min_tls, max_tls, credentials[kind]())

    def _tell_outcome(self, real: Attempt) -> None:
        self._told = True
        if real.requested_late:
            for name in (StepName.CERTIFICATE_REQUEST, StepName.CLIENT_CERTIFICATE):
                self._steps.pop(name, None)
            self._say(timeline.certificate_request(real), timed=False)
            self._say(timeline.client_certificate(self._seen, real), timed=False)
        if real.handshake_completed or real.sent is not real.sent.NO:
            self._say(timeline.server_verdict(real))
            self._say(timeline.http(real), timed=False)

    def _say(self, step: Step, *, timed: bool = True) -> None:
        """Each step is told once; told again only if a later attempt fails where an earlier one did not."""
        if not self._told:
            return
        now = time.monotonic()
        told = self._steps.get(step.name)
        if told is not None and (step.status is not StepStatus.FAILED or told.status is StepStatus.FAILED):
            return
        step = Step(step.name, step.status, step.detail, round((now - self._last) * 1000, 1) if timed else 0.0)
        self._last = now
        self._steps[step.name] = step
        if self._on_step is not None:
            self._on_step(step)


def _got_far(control: Attempt) -> bool:
    """Whether the server took part in a TLS conversation at all, so that a certificate could matter."""
    return control.handshake_completed or control.requested
