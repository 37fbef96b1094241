"""Verdicts in words for a bot developer: one sentence of what happened, then what to do next. Pure, mostly tables.

Looked up by verdict and reason, then by verdict alone. `{host}` and the like are filled in from the observation.
"""

from __future__ import annotations

from collections.abc import Sequence

from certificates.pki.inspection import Finding
from servicenodes.tls.judgement import Certainty, Reason, Verdict
from servicenodes.tls.observation import Failure, Observation

Key = tuple[Verdict, str | None]
V, R, F = Verdict, Reason, Failure

SUMMARIES: dict[Key, str] = {
    (V.ACCEPTED, R.PROVEN): "{host} accepts this certificate, and refuses callers without one.",
    (
        V.ACCEPTED,
        None,
    ): "{host} answered with this certificate; whether it would refuse callers without one is not proven.",
    (V.ACCEPTED_NOT_ENFORCED, None): (
        "{host} asks for a certificate but answers the same without one, so the certificate makes no difference."
    ),
    (V.ACCEPTED_ANY_CERTIFICATE, None): (
        "{host} accepts any certificate, even one made up for this test, so it does not check who is calling."
    ),
    (V.REJECTED, R.UNKNOWN_CA): (
        "{host} rejected the certificate: it does not know the CA that issued it, or an intermediate is missing."
    ),
    (V.REJECTED, R.EXPIRED): "{host} rejected the certificate because it has expired.",
    (V.REJECTED, R.REVOKED): "{host} rejected the certificate because it was revoked.",
    (V.REJECTED, R.BAD_CERTIFICATE): (
        "{host} rejected the certificate as bad: not yet valid, signed in an outdated way, or its key is too small."
    ),
    (V.REJECTED, R.UNSUPPORTED_CERTIFICATE): (
        "{host} rejected the certificate because it is not of a kind it takes, often because clientAuth is missing."
    ),
    (V.REJECTED, R.CERTIFICATE_REQUIRED): "{host} says that it got no certificate, although one was presented.",
    (V.REJECTED, R.ACCESS_DENIED): "{host} recognised the certificate but does not let this client in.",
    (V.REJECTED, R.BAD_SIGNATURE): "{host} could not verify our proof that we hold the certificate’s private key.",
    (V.REJECTED, R.CERTIFICATE_ERROR): "{host} rejected the certificate without saying why.",
    (V.REJECTED, R.SILENT_CLOSE): "{host} closed the connection without a word after the certificate was presented.",
    (V.REJECTED, R.UNSPECIFIED): "{host} ended the connection after the certificate was presented (alert {alert}).",
    (V.HTTP_REFUSED, None): "{host} took the certificate in TLS, but its application refuses the call (HTTP {status}).",
    (V.NOT_REQUESTED, None): "{host} never asked for a client certificate, so none was presented.",
    (V.CERTIFICATE_NOT_SENT, None): (
        "{host} asked for a certificate, but ours fits none of the signature algorithms it takes, so nothing was sent."
    ),
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): "{unusable}",
    (V.CERTIFICATE_UNUSABLE, R.TESTER_NOT_ALLOWED): "The test was not made. {unusable}",
    (V.CERTIFICATE_UNUSABLE, None): "The certificate cannot be presented at all. {unusable}",
    (V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED): (
        "{host} requires a client certificate, and none is configured for this call."
    ),
    (
        V.NO_CERTIFICATE,
        R.OPTIONAL,
    ): "{host} asks for a client certificate but also answers without; none is configured.",
    (V.NO_CERTIFICATE, R.ASKED): "{host} asked for a client certificate, and none is configured for this call.",
    (V.SERVER_UNTRUSTED, None): ("The certificate of {host} is not trusted ({reason}), so {withheld}."),
    (V.SERVER_UNTRUSTED, "certificate_has_expired"): ("The certificate of {host} itself has expired, so {withheld}."),
    (V.HOSTNAME_MISMATCH, None): ("The server’s certificate is not for {server_name}, so {withheld}."),
    (V.PROTOCOL_MISMATCH, R.NO_COMMON_VERSION): "{host} speaks no TLS version that this service node allows.",
    (V.PROTOCOL_MISMATCH, R.NO_APPLICATION_PROTOCOL): "{host} does not offer HTTP/1.1 on this port.",
    (V.PROTOCOL_MISMATCH, R.UNRECOGNIZED_NAME): "The server does not know the name {server_name}.",
    (V.PROTOCOL_MISMATCH, None): "{host} and this product found no common TLS parameters{alert_clause}.",
    (V.NOT_TLS, None): "What answers at {host}, port {port}, does not speak TLS.",
    (V.NETWORK_ERROR, F.DNS_FAILED): "The name {host} could not be resolved to an address.",
    (V.NETWORK_ERROR, F.REFUSED): "{host} refused the connection on port {port}.",
    (V.NETWORK_ERROR, F.TIMEOUT): "{host} did not answer on port {port} in time.",
    (V.NETWORK_ERROR, F.UNREACHABLE): "There is no network path to {host}.",
    (V.NETWORK_ERROR, F.RESET): "{host} closed the connection before TLS began.",
    (V.NETWORK_ERROR, F.PROXY_REFUSED): "The proxy refused to connect to {host}.",
    (V.NETWORK_ERROR, F.PROXY_UNREACHABLE): "The proxy could not be reached.",
    (V.ADDRESS_DENIED, None): "{denied} Nothing was sent.",
    (V.INCONCLUSIVE, R.SILENCE): "{host} took part in the handshake and then said nothing until the time was up.",
    (V.INCONCLUSIVE, R.NOT_HTTP): "{host} answered with something that is not HTTP, with or without the certificate.",
    (V.INCONCLUSIVE, R.BUSY): "All connections to {host} were busy until the time was up.",
    (V.INCONCLUSIVE, R.TOO_SLOW): "{host} began to answer, but did not finish in time.",
    (V.INCONCLUSIVE, R.TOO_LARGE): "The head of the answer of {host} is larger than this product reads.",
    (V.INCONCLUSIVE, R.ANSWERS_DIFFER): (
        "{host} answered {status} with the certificate and {control_status} without one, "
        "which does not tell whether it was accepted."
    ),
    (V.INCONCLUSIVE, R.OUT_OF_ORDER): (
        "{host} answered {status} with and without the certificate: it is overloaded or out of order, "
        "so nothing is proven."
    ),
    (V.INCONCLUSIVE, None): "The conversation with {host} broke off in a way that says nothing about the certificate.",
}

# Where the server said no without the certificate, and shook hands with it.
LET_PAST_SUMMARIES: dict[Key, str] = {
    (V.INCONCLUSIVE, R.SILENCE): (
        "{host} refused a caller without the certificate, and not with it; only the HTTP answer is missing."
    ),
    (V.REJECTED, R.SILENT_CLOSE): (
        "{host} closed the connection without a word after the certificate was presented; callers without one are told "
        "no, so it may well have accepted this one."
    ),
}


def summary_for(verdict: Verdict, reason: str, certainty: Certainty, observation: Observation) -> str:
    """One sentence for people."""
    if let_past(observation) and (verdict, reason) in LET_PAST_SUMMARIES:
        return LET_PAST_SUMMARIES[verdict, reason].format(**facts_of(observation, reason))
    text = SUMMARIES.get((verdict, reason)) or SUMMARIES[verdict, None]
    words = text.format(**facts_of(observation, reason))
    hedged = verdict in (V.REJECTED, V.NO_CERTIFICATE, V.ACCEPTED_NOT_ENFORCED) and certainty in (
        Certainty.MEDIUM,
        Certainty.LOW,
    )
    return f"Probably: {words}" if hedged else words


def with_validity(summary: str, verdict: Verdict, reason: str, findings: Sequence[Finding]) -> str:
    """The summary, and that ours is outside its validity, where the server complains of an unknown CA."""
    texts = [finding.text for finding in findings if finding.code in {"expired", "not_yet_valid"}]
    if not texts or (verdict, reason) != (V.REJECTED, R.UNKNOWN_CA):
        return summary
    return f"{summary[:-1]}. {texts[0]}"


def let_past(observation: Observation) -> bool:
    """Whether the server said no without the certificate, and completed the handshake with it."""
    real = observation.real
    return observation.refuses_aloud and real is not None and real.handshake_completed


def facts_of(observation: Observation, reason: str) -> dict[str, object]:
    """What the `{…}` of a text stand for."""
    last = observation.real or observation.control
    alert = last.fatal_alert if last is not None else None
    control = observation.control
    return {
        "host": observation.host,
        "port": observation.port,
        "server_name": observation.server_name,
        "reason": reason.replace("_", " "),
        "status": last.http.status if last is not None and last.http is not None else 0,
        "control_status": control.http.status if control is not None and control.http is not None else 0,
        "alert": alert.name if alert is not None else "none",
        "alert_clause": f" (alert {alert.name})" if alert is not None else "",
        "withheld": "our certificate was not presented" if observation.presented else "nothing was asked of it",
        "unusable": observation.unusable or f"The certificate may not be presented to {observation.host}.",
        "denied": observation.denied,
    }
