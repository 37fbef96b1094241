"""Facts: what was seen during the attempts of a probe. No judgement here; that is `verdict`.

Durations are milliseconds. Certificates are parsed `cryptography` objects; private keys never appear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509


class StepName(StrEnum):
    """The steps of the timeline, in the order a reader expects."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    PROXY = "proxy"
    SERVER_HELLO = "server_hello"
    SERVER_CERTIFICATE = "server_certificate"
    CERTIFICATE_REQUEST = "certificate_request"
    CLIENT_CERTIFICATE = "client_certificate"
    SERVER_VERDICT = "server_verdict"
    HTTP = "http"


class StepStatus(StrEnum):
    """How a step went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline. `ms` is how long it took, 0 for what took no time of its own."""

    name: StepName
    status: StepStatus
    detail: str
    ms: float = 0.0


class AttemptKind(StrEnum):
    """Why an attempt is made: without the certificate, with it, with one that nobody can trust; or it is no test."""

    CONTROL = "control"
    REAL = "real"
    CANARY = "canary"
    CALL = "call"


class Failure(StrEnum):
    """Why there was no conversation at all; the contract's reasons for `network_error`."""

    DNS_FAILED = "dns_failed"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    PROXY_REFUSED = "proxy_refused"
    PROXY_UNREACHABLE = "proxy_unreachable"


class Sent(StrEnum):
    """What we answered to the server's request for a certificate."""

    CERTIFICATE = "certificate"
    EMPTY = "empty"
    NO = "no"


class Ending(StrEnum):
    """How the conversation after our part of the handshake ended."""

    DATA = "data"  # the server sent application data
    ALERT = "alert"  # the server sent a fatal alert
    CLOSED = "closed"  # FIN or close_notify without data
    RESET = "reset"
    TIMEOUT = "timeout"  # silence until the time was up
    LOCAL = "local"  # our side ended it: untrusted server, protocol error, policy


@dataclass(frozen=True, slots=True)
class Alert:
    """A TLS alert. `received` means the server complained about us; otherwise we complained about it."""

    code: int
    name: str
    fatal: bool
    received: bool
    after_our_flight: bool  # after our answer to the certificate request, or after the handshake if there was none


@dataclass(frozen=True, slots=True)
class VerifyError:
    """One complaint about the server's chain; `depth` 0 is its own certificate. `subject` is RFC 4514."""

    code: str
    depth: int
    subject: str


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to the test's request. The body is read for known texts only and never kept."""

    status: int
    certificate_text: str | None = None  # which known complaint about the certificate the body holds


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection, as far as it came."""

    kind: AttemptKind
    failure: Failure | None = None
    failure_text: str = ""
    address: str | None = None  # address:port connected to
    ms: float = 0.0
    rtt_ms: float = 0.0
    received_bytes: int = 0
    looks_like_tls: bool | None = None  # None: not one byte came
    server_hello: bool = False
    tls_version: str | None = None
    cipher: str | None = None
    group: str | None = None
    alpn: str | None = None
    chain: tuple[x509.Certificate, ...] = ()
    verify_errors: tuple[VerifyError, ...] = ()
    hostname_matched: bool | None = None
    handshake_completed: bool = False
    requested: bool = False
    requested_late: bool = False
    acceptable_cas: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    sent: Sent = Sent.NO
    alerts: tuple[Alert, ...] = ()
    local_error: str = ""  # our TLS engine's own complaint, as a word with underscores
    ticket_seen: bool = False
    request_sent: bool = False
    ending: Ending = Ending.LOCAL
    http: HttpAnswer | None = None

    @property
    def trusted(self) -> bool | None:
        """Whether the server's chain leads to a trust anchor; None if no chain was seen."""
        if self.verify_errors:
            return False
        return True if self.chain else None

    @property
    def fatal_alert(self) -> Alert | None:
        """The first fatal alert that the server sent."""
        return next((alert for alert in self.alerts if alert.received and alert.fatal), None)

    @property
    def refused_aloud(self) -> bool:
        """Whether the server asked for a certificate and then said no: by an alert, or by a text it is known for."""
        if not self.requested:
            return False
        alert = self.fatal_alert
        told = self.http is not None and self.http.certificate_text is not None
        return told or (self.ending is Ending.ALERT and alert is not None and alert.after_our_flight)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a probe saw. `denied` and `unusable` hold the sentence why no attempt was made at all.

    `unusable_reason` is a reason of the verdict `certificate_unusable`; empty: the TLS engine refused.
    """

    url: str
    host: str
    port: int
    server_name: str
    method: str
    path: str
    trust_label: str
    min_tls: str
    max_tls: str | None
    presented: tuple[x509.Certificate, ...] = ()  # leaf and chain of our credential; empty: none configured
    proxy: str | None = None
    resolve_failure: str = ""
    denied: str = ""
    unusable: str = ""
    unusable_reason: str = ""
    control: Attempt | None = None
    real: Attempt | None = None
    canary: Attempt | None = None
    capped_to_tls12: bool = False  # repeated because TLS 1.3 cannot show a request that comes after the handshake
    repeated: bool = False  # the real attempt was made twice because the first was closed without a word
    steps: tuple[Step, ...] = field(default=())
    duration_ms: float = 0.0

    @property
    def has_credential(self) -> bool:
        """Whether a client certificate was configured."""
        return bool(self.presented)

    @property
    def first(self) -> Attempt | None:
        """The attempt that met the server first."""
        return self.control or self.real

    @property
    def refuses_aloud(self) -> bool:
        """Whether the server says no to callers without a certificate, so that its silence is no refusal of its."""
        return self.control is not None and self.control.refused_aloud

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts, in the order they were made."""
        return tuple(attempt for attempt in (self.control, self.real, self.canary) if attempt is not None)
