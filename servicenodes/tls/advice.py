"""What to do next, for a bot developer. Pure, mostly tables.

Looked up by verdict and reason, then by verdict alone. Advice that what was seen contradicts is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from certificates.pki.inspection import Finding
from servicenodes.errors import REFUSALS
from servicenodes.tls.judgement import Reason, Verdict
from servicenodes.tls.observation import Failure, Observation
from servicenodes.tls.words import Key, facts_of, let_past

V, R, F = Verdict, Reason, Failure

ASK_BACKEND = "Ask the backend’s team to look into their TLS log at the time of this test."
ASK_FOR_HTTP = (
    "Ask the backend’s team whether HTTP is served at this port; their TLS log says what became of the certificate."
)
SEND_CHAIN = "Send the backend’s team the public chain of this certificate, and ask them to trust its root."
COMPARE_ISSUER = "Compare the issuer of the certificate with the CAs that the server lists as acceptable."
ADD_INTERMEDIATES = "Check that the intermediates are part of the certificate; import the whole chain if they are not."
INTERMEDIATES_SENT = "Intermediates were sent, so the server may lack the root of this certificate, or a CA between."
STRONGER = "Import a certificate with a stronger key and an up-to-date signature."
SELF_SIGNED = "Request a certificate from a CA that the server knows; this one signed itself."
NOT_VALID_YET = "Present a certificate that is valid already; until its first day this one is refused everywhere."
RENEW = "Import a renewed certificate as a new version and test it before it is promoted."
STILL_VALID = "Ours is valid by this machine’s clock; ask the backend’s team to check theirs, and their intermediates."
CHECK_FINDINGS = "Check the findings below; they may be the reason."
CHECK_BAD = "Check the findings below: first day of validity, key size, signature hash."
NOTHING_FOUND = "Nothing was found here that explains it."
NEEDS_CLIENT_AUTH = (
    "Request a certificate whose extended key usage contains clientAuth; public CAs no longer issue those."
)
NEEDS_SIGNING = "Request a certificate whose key usage contains digitalSignature."
IMPORT_CA = (
    "Ask the backend’s team for the CA of their server certificate, and import it as a trust store for this node."
)
SERVER_INTERMEDIATES = "Check that the server sends its intermediates."
TELL_BACKEND = "Tell the backend’s team what is wrong with their server certificate, or with a CA above it: {reason}."

ADVICE: dict[Key, tuple[str, ...]] = {
    (V.ACCEPTED, R.PROVEN): ("Nothing needs to be done.",),
    (V.ACCEPTED, R.WITHOUT_CONTROL): ("Test again with the control attempt to see whether the server enforces it.",),
    (V.ACCEPTED, R.CONTROL_INCONCLUSIVE): ("Test again; the attempt without the certificate gave no clear answer.",),
    (V.ACCEPTED_NOT_ENFORCED, None): (
        "Ask the backend’s team to require the certificate; today anybody can call this address.",
        "If only some paths require it, test with the path that the node really calls.",
    ),
    (V.ACCEPTED_ANY_CERTIFICATE, None): (
        "Tell the backend’s team that their server does not check the issuer of client certificates.",
    ),
    (V.REJECTED, R.UNKNOWN_CA): (
        RENEW,
        NOT_VALID_YET,
        ADD_INTERMEDIATES,
        INTERMEDIATES_SENT,
        SELF_SIGNED,
        SEND_CHAIN,
        COMPARE_ISSUER,
    ),
    (V.REJECTED, R.EXPIRED): (
        RENEW,
        STILL_VALID,
    ),
    (V.REJECTED, R.REVOKED): (
        "Ask the issuing CA why it was revoked.",
        "Request a new certificate with a new key and import it as a new version.",
    ),
    (V.REJECTED, R.BAD_CERTIFICATE): (
        CHECK_BAD,
        NOTHING_FOUND,
        ASK_BACKEND,
    ),
    (V.REJECTED, R.UNSUPPORTED_CERTIFICATE): (
        NEEDS_CLIENT_AUTH,
        NEEDS_SIGNING,
        "Ask the backend’s team which key types and usages they take.",
    ),
    (V.REJECTED, R.CERTIFICATE_REQUIRED): (
        "Ask the backend’s team whether a load balancer in front of the server ends TLS and drops the certificate.",
    ),
    (V.REJECTED, R.ACCESS_DENIED): (
        "Ask the backend’s team to allow this certificate’s subject; its chain is in order.",
    ),
    (V.REJECTED, R.BAD_SIGNATURE): (
        "Import the certificate again together with its private key.",
        "Ask the backend’s team which signature algorithms their server really supports.",
    ),
    (V.REJECTED, R.CERTIFICATE_ERROR): (
        CHECK_FINDINGS,
        NOTHING_FOUND,
        SEND_CHAIN,
        ASK_BACKEND,
    ),
    (V.REJECTED, R.SILENT_CLOSE): (
        ASK_BACKEND,
        SEND_CHAIN,
        "Test again later if the backend may have been restarting.",
    ),
    (V.REJECTED, R.UNSPECIFIED): (CHECK_FINDINGS, ASK_BACKEND, SEND_CHAIN),
    (V.HTTP_REFUSED, R.HTTP_401): ("Check the node’s Authorization header or API key.", ASK_BACKEND),
    (V.HTTP_REFUSED, R.HTTP_403): (
        "Ask the backend’s team to give this certificate’s subject access to the path.",
        "Check whether the test’s request method is allowed there; the real call may fare better.",
    ),
    (V.NOT_REQUESTED, None): (
        "Check that the URL is the one that requires mutual TLS; backends often use another host or port for it.",
        "Ask the backend’s team whether mutual TLS is switched on for this address.",
    ),
    (V.CERTIFICATE_NOT_SENT, None): (
        "Request a certificate with another kind of key: RSA with 2048 bits or EC P-256 are taken almost everywhere.",
        "Ask the backend’s team to allow the signature algorithm of this certificate’s key.",
    ),
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): REFUSALS["host_not_allowed"],
    (V.CERTIFICATE_UNUSABLE, R.NO_ACTIVE_VERSION): REFUSALS["no_active_version"],
    (V.CERTIFICATE_UNUSABLE, R.CANNOT_BE_OPENED): REFUSALS["certificate_unusable"],
    (V.CERTIFICATE_UNUSABLE, R.SEALED): REFUSALS["sealed"],
    (V.CERTIFICATE_UNUSABLE, R.TESTER_NOT_ALLOWED): ("Ask a manager of the bot to make you a developer of it.",),
    (V.CERTIFICATE_UNUSABLE, None): (STRONGER,),
    (V.NO_CERTIFICATE, R.OPTIONAL): ("Attach a certificate if the calls are to be made in the bot’s name.",),
    (V.NO_CERTIFICATE, None): (
        "Attach a client certificate to this node, or make one the bot’s default.",
        COMPARE_ISSUER,
    ),
    (V.SERVER_UNTRUSTED, None): (
        IMPORT_CA,
        SERVER_INTERMEDIATES,
        TELL_BACKEND,
    ),
    (V.SERVER_UNTRUSTED, "certificate_has_expired"): (
        "Tell the backend’s team that their server certificate, or a CA above it, has expired.",
    ),
    (V.HOSTNAME_MISMATCH, None): (
        "Check the host name in the URL against the names in the server’s certificate.",
        "If the server is reached under another name, set the node’s server name.",
    ),
    (V.PROTOCOL_MISMATCH, R.NO_COMMON_VERSION): (
        "Check the node’s minimum TLS version; versions below 1.2 are never used.",
        "Ask the backend’s team to offer TLS 1.2 or 1.3.",
    ),
    (V.PROTOCOL_MISMATCH, R.NO_APPLICATION_PROTOCOL): (
        "Ask the backend’s team to offer HTTP/1.1 beside HTTP/2 on this port.",
    ),
    (V.PROTOCOL_MISMATCH, R.UNRECOGNIZED_NAME): ("Check the host name in the URL or the node’s server name.",),
    (V.PROTOCOL_MISMATCH, None): ("Ask the backend’s team which cipher suites and groups their server offers.",),
    (V.NOT_TLS, None): ("Check the port in the URL; the TLS port is often 443 or 8443.",),
    (V.NETWORK_ERROR, F.DNS_FAILED): ("Check the spelling of the host name.", "Check this machine’s name server."),
    (V.NETWORK_ERROR, F.REFUSED): ("Check the port in the URL.", "Ask the backend’s team whether the service is up."),
    (V.NETWORK_ERROR, F.TIMEOUT): (
        "Ask the network’s team whether a firewall drops connections from this machine to {host}, port {port}.",
        "Raise the node’s timeout if the server is known to be slow.",
    ),
    (V.NETWORK_ERROR, F.UNREACHABLE): ("Ask the network’s team for a route from this machine to {host}.",),
    (V.NETWORK_ERROR, F.RESET): (
        "Ask the network’s team whether a firewall or load balancer cuts the connection.",
        "Ask the backend’s team whether only known addresses may connect.",
    ),
    (V.NETWORK_ERROR, F.PROXY_REFUSED): ("Ask the proxy’s team to allow {host}, port {port}.",),
    (V.NETWORK_ERROR, F.PROXY_UNREACHABLE): ("Check the setting EGRESS_PROXY, and whether the proxy is up.",),
    (V.ADDRESS_DENIED, None): (
        "Check the host name in the URL.",
        "If the address is meant, ask the platform’s operator to add it to EGRESS_ALLOW.",
    ),
    (V.INCONCLUSIVE, R.BUSY): ("Call again later.", "Raise the node’s timeout if the server is slow."),
    (V.INCONCLUSIVE, R.TOO_SLOW): ("Raise the node’s timeout.", "Ask the backend’s team why the answer takes so long."),
    (V.INCONCLUSIVE, R.TOO_LARGE): ("Ask the backend’s team why the answer’s headers are so large.",),
    (V.INCONCLUSIVE, R.SILENCE): (
        "Raise the node’s timeout and test again.",
        "Test another path of this server, one that answers quickly.",
    ),
    (V.INCONCLUSIVE, R.ANSWERS_DIFFER): (
        "Test a path that an accepted caller may use.",
        ASK_BACKEND,
    ),
    (V.INCONCLUSIVE, R.OUT_OF_ORDER): ("Test again when the server answers as usual.", ASK_BACKEND),
    (V.INCONCLUSIVE, None): ("Test again.", ASK_BACKEND),
}


LET_PAST: dict[Key, tuple[str, ...]] = {
    (V.INCONCLUSIVE, R.SILENCE): (ASK_FOR_HTTP, "Raise the node’s timeout if the server is known to be slow."),
    (V.REJECTED, R.SILENT_CLOSE): (ASK_FOR_HTTP, "Test again later if the backend may have been restarting."),
}


@dataclass(frozen=True, slots=True)
class Case:
    """What decides whether a piece of advice fits. `findings` are codes."""

    reason: str
    observation: Observation
    findings: frozenset[str]

    @property
    def explained(self) -> bool:
        """Whether a finding about our certificate may be why it was refused."""
        return bool(self.findings & EXPLAINING)

    @property
    def self_signed(self) -> bool:
        return "self_signed_leaf" in self.findings

    @property
    def ca_missing(self) -> bool:
        """Whether a trust anchor more could make the server trusted."""
        return self.reason in CA_MISSING


EXPLAINING = {
    *("expired", "not_yet_valid", "client_auth_missing", "digital_signature_missing", "key_too_small"),
    *("weak_signature", "self_signed_leaf", "issuer_not_listed", "missing_intermediate"),
}
SELF_SIGNED_SERVER = {"self_signed_certificate", "self_signed_certificate_in_chain"}
CA_MISSING = SELF_SIGNED_SERVER | {
    *("unable_to_get_issuer_certificate", "unable_to_get_local_issuer_certificate"),
    *("unable_to_verify_the_first_certificate", "certificate_not_trusted"),
}
# Advice that is not listed here always fits.
FITS: dict[str, Callable[[Case], bool]] = {
    COMPARE_ISSUER: lambda case: any(attempt.acceptable_cas for attempt in case.observation.attempts),
    ADD_INTERMEDIATES: lambda case: len(case.observation.presented) < 2 and not case.self_signed,
    INTERMEDIATES_SENT: lambda case: len(case.observation.presented) > 1,
    SELF_SIGNED: lambda case: case.self_signed,
    RENEW: lambda case: "expired" in case.findings,
    NOT_VALID_YET: lambda case: "not_yet_valid" in case.findings,
    STILL_VALID: lambda case: "expired" not in case.findings,
    CHECK_FINDINGS: lambda case: case.explained,
    CHECK_BAD: lambda case: case.explained,
    NOTHING_FOUND: lambda case: not case.explained,
    NEEDS_CLIENT_AUTH: lambda case: "client_auth_missing" in case.findings,
    NEEDS_SIGNING: lambda case: "digital_signature_missing" in case.findings,
    IMPORT_CA: lambda case: case.ca_missing,
    SERVER_INTERMEDIATES: lambda case: case.ca_missing and case.reason not in SELF_SIGNED_SERVER,
    TELL_BACKEND: lambda case: not case.ca_missing,
}


def advice_for(verdict: Verdict, reason: str, observation: Observation, findings: Sequence[Finding]) -> tuple[str, ...]:
    """What to do next, most promising first. `findings` are those of this very observation."""
    case = Case(reason, observation, frozenset(str(finding.code) for finding in findings))
    texts = LET_PAST.get((verdict, reason)) if let_past(observation) else None
    texts = texts or ADVICE.get((verdict, reason)) or ADVICE[verdict, None]
    facts = facts_of(observation, reason)
    return tuple(text.format(**facts) for text in texts if text not in FITS or FITS[text](case))
