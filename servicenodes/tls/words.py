"""Verdicts in words for a bot developer: one sentence of what happened, then what to do next. Pure, mostly tables.

Looked up by verdict and reason, then by verdict alone. `{host}` and the like are filled in from the observation.
"""

from __future__ import annotations

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
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): "The certificate may not be presented to {host}.",
    (V.CERTIFICATE_UNUSABLE, None): "The certificate cannot be presented at all. {unusable}",
    (V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED): (
        "{host} requires a client certificate, and none is configured for this call."
    ),
    (
        V.NO_CERTIFICATE,
        R.OPTIONAL,
    ): "{host} asks for a client certificate but also answers without; none is configured.",
    (V.NO_CERTIFICATE, R.ASKED): "{host} asked for a client certificate, and none is configured for this call.",
    (V.SERVER_UNTRUSTED, None): (
        "The certificate of {host} is not trusted ({reason}), so our certificate was not presented."
    ),
    (V.SERVER_UNTRUSTED, "certificate_has_expired"): (
        "The certificate of {host} itself has expired, so ours was not presented."
    ),
    (V.HOSTNAME_MISMATCH, None): (
        "The server’s certificate is not for {server_name}, so our certificate was not presented."
    ),
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
    (V.INCONCLUSIVE, None): "The conversation with {host} broke off in a way that says nothing about the certificate.",
}

ASK_BACKEND = "Ask the backend’s team to look into their TLS log at the time of this test."
SEND_CHAIN = "Send the backend’s team the public chain of this certificate, and ask them to trust its root."

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
        "Check that the intermediates are part of the certificate; import the whole chain if they are not.",
        SEND_CHAIN,
        "Compare the issuer with the CAs that the server lists as acceptable.",
    ),
    (V.REJECTED, R.EXPIRED): (
        "Import a renewed certificate as a new version and test it before it is promoted.",
        "If ours is valid, ask the backend’s team to check their clock and the intermediates they hold.",
    ),
    (V.REJECTED, R.REVOKED): (
        "Ask the issuing CA why it was revoked.",
        "Request a new certificate with a new key and import it as a new version.",
    ),
    (V.REJECTED, R.BAD_CERTIFICATE): (
        "Check the findings below: first day of validity, key size, signature hash.",
        "If nothing is found here, " + ASK_BACKEND[0].lower() + ASK_BACKEND[1:],
    ),
    (V.REJECTED, R.UNSUPPORTED_CERTIFICATE): (
        "Request a certificate whose extended key usage contains clientAuth; public CAs no longer issue those.",
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
        "Check the findings below; this server keeps the reason to itself.",
        SEND_CHAIN,
        ASK_BACKEND,
    ),
    (V.REJECTED, R.SILENT_CLOSE): (
        ASK_BACKEND,
        SEND_CHAIN,
        "Test again later if the backend may have been restarting.",
    ),
    (V.REJECTED, R.UNSPECIFIED): ("Check the findings below.", SEND_CHAIN, ASK_BACKEND),
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
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): (
        "Add the host to the certificate’s allowed hosts, or attach another certificate to the node.",
    ),
    (V.CERTIFICATE_UNUSABLE, None): ("Import a certificate with a stronger key and an up-to-date signature.",),
    (V.NO_CERTIFICATE, R.OPTIONAL): ("Attach a certificate if the calls are to be made in the bot’s name.",),
    (V.NO_CERTIFICATE, None): (
        "Attach a client certificate to this node, or make one the bot’s default.",
        "Compare its issuer with the CAs that the server lists as acceptable.",
    ),
    (V.SERVER_UNTRUSTED, None): (
        "Ask the backend’s team for the CA of their server certificate, and import it as a trust store for this node.",
        "Check that the server sends its intermediates.",
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
        "Test with a path and method that answers quickly.",
    ),
    (V.INCONCLUSIVE, R.ANSWERS_DIFFER): (
        "Test with a path and method that an accepted caller may use.",
        ASK_BACKEND,
    ),
    (V.INCONCLUSIVE, None): ("Test again.", ASK_BACKEND),
}


def summary_for(verdict: Verdict, reason: str, certainty: Certainty, observation: Observation) -> str:
    """One sentence for people."""
    text = SUMMARIES.get((verdict, reason)) or SUMMARIES[verdict, None]
    words = text.format(**_facts(observation, reason))
    hedged = verdict in (V.REJECTED, V.NO_CERTIFICATE, V.ACCEPTED_NOT_ENFORCED) and certainty in (
        Certainty.MEDIUM,
        Certainty.LOW,
    )
    return f"Probably: {words}" if hedged else words


def advice_for(verdict: Verdict, reason: str, observation: Observation) -> tuple[str, ...]:
    """What to do next, most promising first."""
    texts = ADVICE.get((verdict, reason)) or ADVICE[verdict, None]
    return tuple(text.format(**_facts(observation, reason)) for text in texts)


def _facts(observation: Observation, reason: str) -> dict[str, object]:
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
        "unusable": observation.unusable,
        "denied": observation.denied,
    }
