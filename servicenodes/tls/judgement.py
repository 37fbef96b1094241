"""The words a verdict is made of: the closed lists of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from certificates.pki.inspection import Finding
from servicenodes.tls.names import UNREADABLE_CERTIFICATE, VERIFY_ERRORS
from servicenodes.tls.observation import Failure


class Verdict(StrEnum):
    """What a connection test came to."""

    ACCEPTED = "accepted"
    ACCEPTED_NOT_ENFORCED = "accepted_not_enforced"
    ACCEPTED_ANY_CERTIFICATE = "accepted_any_certificate"
    REJECTED = "rejected"
    HTTP_REFUSED = "http_refused"
    NOT_REQUESTED = "not_requested"
    CERTIFICATE_NOT_SENT = "certificate_not_sent"
    CERTIFICATE_UNUSABLE = "certificate_unusable"
    NO_CERTIFICATE = "no_certificate"
    SERVER_UNTRUSTED = "server_untrusted"
    HOSTNAME_MISMATCH = "hostname_mismatch"
    PROTOCOL_MISMATCH = "protocol_mismatch"
    NOT_TLS = "not_tls"
    NETWORK_ERROR = "network_error"
    ADDRESS_DENIED = "address_denied"
    INCONCLUSIVE = "inconclusive"


class Reason(StrEnum):
    """Why. `server_untrusted` has the verification error's name instead, `network_error` a `Failure`."""

    PROVEN = "proven"
    WITHOUT_CONTROL = "without_control"
    CONTROL_INCONCLUSIVE = "control_inconclusive"
    SAME_WITHOUT_CERTIFICATE = "same_without_certificate"
    CANARY_ACCEPTED = "canary_accepted"
    UNKNOWN_CA = "unknown_ca_or_missing_intermediate"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BAD_CERTIFICATE = "bad_certificate"
    UNSUPPORTED_CERTIFICATE = "unsupported_certificate"
    CERTIFICATE_REQUIRED = "certificate_required"
    ACCESS_DENIED = "access_denied"
    BAD_SIGNATURE = "bad_signature"
    CERTIFICATE_ERROR = "certificate_error"
    SILENT_CLOSE = "silent_close"
    UNSPECIFIED = "unspecified"
    HTTP_401 = "http_401"
    HTTP_403 = "http_403"
    NEVER_ASKED = "never_asked"
    NO_COMMON_SIGNATURE_ALGORITHM = "no_common_signature_algorithm"
    ENGINE_REFUSED = "engine_refused"
    OPTIONAL = "optional"
    ASKED = "asked"
    NAME_NOT_COVERED = "name_not_covered"
    NO_COMMON_PARAMETERS = "no_common_parameters"
    NO_COMMON_VERSION = "no_common_version"
    NO_APPLICATION_PROTOCOL = "no_application_protocol"
    UNRECOGNIZED_NAME = "unrecognized_name"
    OTHER_PROTOCOL = "other_protocol"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    SILENCE = "silence"
    NOT_HTTP = "not_http"
    BROKEN_OFF = "broken_off"
    ANSWERS_DIFFER = "answers_differ"
    OUT_OF_ORDER = "out_of_order"
    HOST_NOT_ALLOWED = "host_not_allowed"
    NO_ACTIVE_VERSION = "no_active_version"
    CANNOT_BE_OPENED = "cannot_be_opened"
    SEALED = "sealed"
    TESTER_NOT_ALLOWED = "tester_not_allowed"
    BUSY = "busy"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"


class Certainty(StrEnum):
    """How sure the verdict is, surest first. `proven`: the control attempt shows that the server enforces it."""

    PROVEN = "proven"
    CERTAIN = "certain"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Layer(StrEnum):
    """Where it was decided."""

    POLICY = "policy"
    NETWORK = "network"
    TLS = "tls"
    SERVER_CERTIFICATE = "server_certificate"
    CLIENT_CERTIFICATE = "client_certificate"
    HTTP = "http"


REJECTED_REASONS = (
    Reason.UNKNOWN_CA,
    Reason.EXPIRED,
    Reason.REVOKED,
    Reason.BAD_CERTIFICATE,
    Reason.UNSUPPORTED_CERTIFICATE,
    Reason.CERTIFICATE_REQUIRED,
    Reason.ACCESS_DENIED,
    Reason.BAD_SIGNATURE,
    Reason.CERTIFICATE_ERROR,
    Reason.SILENT_CLOSE,
    Reason.UNSPECIFIED,
)
REASONS: dict[Verdict, tuple[str, ...]] = {
    Verdict.ACCEPTED: (Reason.PROVEN, Reason.WITHOUT_CONTROL, Reason.CONTROL_INCONCLUSIVE),
    Verdict.ACCEPTED_NOT_ENFORCED: (Reason.SAME_WITHOUT_CERTIFICATE,),
    Verdict.ACCEPTED_ANY_CERTIFICATE: (Reason.CANARY_ACCEPTED,),
    Verdict.REJECTED: REJECTED_REASONS,
    Verdict.HTTP_REFUSED: (Reason.HTTP_401, Reason.HTTP_403),
    Verdict.NOT_REQUESTED: (Reason.NEVER_ASKED,),
    Verdict.CERTIFICATE_NOT_SENT: (Reason.NO_COMMON_SIGNATURE_ALGORITHM,),
    Verdict.CERTIFICATE_UNUSABLE: (
        Reason.ENGINE_REFUSED,
        Reason.HOST_NOT_ALLOWED,
        Reason.NO_ACTIVE_VERSION,
        Reason.CANNOT_BE_OPENED,
        Reason.SEALED,
        Reason.TESTER_NOT_ALLOWED,
    ),
    Verdict.NO_CERTIFICATE: (Reason.CERTIFICATE_REQUIRED, Reason.OPTIONAL, Reason.ASKED),
    Verdict.SERVER_UNTRUSTED: (*dict.fromkeys(VERIFY_ERRORS.values()), UNREADABLE_CERTIFICATE),
    Verdict.HOSTNAME_MISMATCH: (Reason.NAME_NOT_COVERED,),
    Verdict.PROTOCOL_MISMATCH: (
        Reason.NO_COMMON_PARAMETERS,
        Reason.NO_COMMON_VERSION,
        Reason.NO_APPLICATION_PROTOCOL,
        Reason.UNRECOGNIZED_NAME,
    ),
    Verdict.NOT_TLS: (Reason.OTHER_PROTOCOL,),
    Verdict.NETWORK_ERROR: tuple(Failure),
    Verdict.ADDRESS_DENIED: (Reason.ADDRESS_NOT_ALLOWED,),
    Verdict.INCONCLUSIVE: (
        Reason.SILENCE,
        Reason.NOT_HTTP,
        Reason.BROKEN_OFF,
        Reason.ANSWERS_DIFFER,
        Reason.OUT_OF_ORDER,
    ),
}
# What only the runtime's call can come to, beside the above.
CALL_REASONS: dict[Verdict, tuple[str, ...]] = {
    Verdict.INCONCLUSIVE: (Reason.BUSY, Reason.TOO_SLOW, Reason.TOO_LARGE),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What we make of an observation. `summary` is one sentence; `advice` are the next things to do."""

    verdict: Verdict
    reason: str
    certainty: Certainty
    layer: Layer
    summary: str
    advice: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        """The one verdict that commands answer with exit code 0."""
        return self.verdict is Verdict.ACCEPTED
