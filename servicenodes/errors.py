"""The exception tree of this app. Standard library only.

DomainError (botplatform.errors)
├── TooOften                 a rate limit; says when to try again
│   ├── TooManyTests         of connection tests
│   └── TooManyCalls         of calls that people try
├── CallRefused              a call was not made: which certificate, which rule chose it, what to do
├── InvalidInput             also raised here: a URL, header or setting of a connection is not acceptable
└── ConnectionPhaseError     a connection attempt failed; names its phase (see `servicenodes.tls`)
    ├── ResolveFailed        the name has no address, or no answer came in time
    ├── AddressDenied        an address the operator does not allow; nothing was sent
    ├── ConnectFailed        no TCP connection; `failure` is a reason of the contract
    └── CredentialRefused    the TLS engine does not take the certificate or its key
"""

from botplatform.errors import DomainError


class TooOften(DomainError):
    """Too much of something in a short time. `retry_after_s` seconds from now it may be done again."""

    code = "too_often"

    def __init__(self, text: str, *, retry_after_s: int) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class TooManyTests(TooOften):
    """Too many connection tests."""

    code = "too_many_tests"


class TooManyCalls(TooOften):
    """Too many calls tried by one person; the runtime's are not limited."""

    code = "too_many_calls"


class CallRefused(DomainError):
    """The call was not made. `code` is one of `REFUSALS`; `certificate` and `rule` say what would have been presented.

    `advice` are the next things to do, most promising first.
    """

    code = "certificate_unusable"

    def __init__(self, text: str, *, code: str, certificate: str | None, rule: str, advice: tuple[str, ...]) -> None:
        super().__init__(text, code=code)
        self.certificate = certificate
        self.rule = rule
        self.advice = advice


# Why a call may not be made, and what to do about it.
REFUSALS: dict[str, tuple[str, ...]] = {
    "no_certificate": (
        "Attach a client certificate to the service node, or make one the default of its bot.",
        "If the server needs none, let the node call without mutual TLS.",
    ),
    "no_active_version": ("Import a certificate under this name; the new version becomes active.",),
    "certificate_expired": ("Import the renewed certificate as a new version; the next call presents it.",),
    "certificate_not_yet_valid": ("Check the clock of this machine.", "Import a certificate that is valid already."),
    "host_not_allowed": ("Add the host to the allowed hosts of the certificate, or attach another certificate.",),
    "certificate_unusable": ("Import the certificate again together with its private key.",),
    "sealed": ("Tell the platform’s operator: the keyring must be put back.",),
    "headers_unusable": ("Give the secret headers of the service node their values again.",),
}


class ConnectionPhaseError(DomainError):
    """A connection attempt failed in `phase` (resolve, policy, connect, proxy, handshake, http)."""

    code = "connection_failed"
    phase = "connection"


class ResolveFailed(ConnectionPhaseError):
    """The host name has no address, or the resolver did not answer in time."""

    code = "dns_failed"
    phase = "resolve"


class AddressDenied(ConnectionPhaseError):
    """The name resolves to an address that the operator does not allow. Nothing was sent."""

    code = "address_denied"
    phase = "policy"

    def __init__(self, text: str, *, category: str) -> None:
        super().__init__(text)
        self.category = category


class ConnectFailed(ConnectionPhaseError):
    """No connection came about. `failure` is one of the contract's reasons for `network_error`."""

    code = "connect_failed"
    phase = "connect"

    def __init__(self, text: str, *, failure: str, phase: str = "connect") -> None:
        super().__init__(text)
        self.failure = failure
        self.phase = phase


class CredentialRefused(ConnectionPhaseError):
    """The TLS engine does not take the certificate or its key; with a `reason`, the key cannot be opened."""

    code = "certificate_unusable"
    phase = "handshake"

    def __init__(self, text: str, *, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason
