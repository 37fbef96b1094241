"""The steps of a test in words, made from facts. Pure. One function per step of the contract."""

from __future__ import annotations

from servicenodes.tls.names import subject_text
from servicenodes.tls.observation import Attempt, Ending, Failure, Observation, Sent, Step, StepName, StepStatus

OK, WARNING, FAILED, SKIPPED = StepStatus.OK, StepStatus.WARNING, StepStatus.FAILED, StepStatus.SKIPPED
NOT_REACHED = "Not reached."
NONE_CONFIGURED = "No client certificate is configured for this call."
WITHHELD = "This product ended the connection, because the server is not trusted. Nothing was asked of it."


def server_hello(attempt: Attempt) -> Step:
    """Which TLS the two sides agreed on."""
    if attempt.server_hello:
        suite = ", ".join(part for part in (attempt.cipher, attempt.group) if part)
        agreed = f"The two sides agreed on {attempt.tls_version or 'TLS'}"
        return Step(StepName.SERVER_HELLO, OK, agreed + (f" with {suite}." if suite else "."))
    alert = attempt.fatal_alert
    if alert is not None:
        detail = f"The server refused the TLS parameters with the alert {alert.name}."
    elif attempt.looks_like_tls is False:
        detail = "What answered does not speak TLS."
    elif attempt.failure is Failure.TIMEOUT:
        detail = "The server did not answer the TLS greeting in time."
    elif attempt.failure is Failure.RESET:
        detail = "The server closed the connection without answering the TLS greeting."
    else:
        reason = attempt.local_error.replace("_", " ") or "no reason given"
        detail = f"The two sides found no common TLS version or parameters ({reason})."
    return Step(StepName.SERVER_HELLO, FAILED, detail)


def server_certificate(attempt: Attempt) -> Step:
    """Whether the server proved who it is."""
    name = StepName.SERVER_CERTIFICATE
    if attempt.verify_errors:
        words = ", ".join(dict.fromkeys(error.code.replace("_", " ") for error in attempt.verify_errors))
        return Step(name, FAILED, f"The server’s certificate is not trusted: {words}.")
    if attempt.hostname_matched is False:
        return Step(name, FAILED, "The server’s certificate is for another host name.")
    if not attempt.chain:
        return Step(name, FAILED, "The server sent no certificate that could be checked.")
    subject = subject_text(attempt.chain[0]) or "the certificate"
    return Step(name, OK, f"{subject} is trusted and covers the host name.")


def certificate_request(attempt: Attempt) -> Step:
    """Whether the server asks for a client certificate."""
    name = StepName.CERTIFICATE_REQUEST
    if attempt.requested_late:
        return Step(name, OK, "The server asks for a client certificate, but only after it has seen the request.")
    if attempt.requested:
        count = len(attempt.acceptable_cas)
        listed = {0: "It sends no list of CAs it accepts.", 1: "It names one acceptable CA."}
        detail = listed.get(count, f"It names {count} acceptable CAs.")
        return Step(name, OK, f"The server asks for a client certificate. {detail}")
    if attempt.handshake_completed:
        return Step(name, WARNING, "The server does not ask for a client certificate during the handshake.")
    return Step(name, SKIPPED, NOT_REACHED)


def client_certificate(observation: Observation, attempt: Attempt) -> Step:
    """What we answered."""
    name = StepName.CLIENT_CERTIFICATE
    if not observation.presented:
        empty = " The server got an empty answer." if attempt.sent is Sent.EMPTY else ""
        return Step(name, SKIPPED, NONE_CONFIGURED + empty)
    if attempt.sent is Sent.CERTIFICATE:
        leaf, *chain = observation.presented
        others = {0: "without intermediates", 1: "with one intermediate"}
        companions = others.get(len(chain), f"with {len(chain)} intermediates")
        return Step(name, OK, f"Presented {subject_text(leaf) or 'the certificate'}, {companions}.")
    if attempt.sent is Sent.EMPTY:
        return Step(name, FAILED, "Nothing was presented: the certificate fits none of the requested algorithms.")
    if attempt.handshake_completed:
        return Step(name, WARNING, "Not presented, because the server did not ask.")
    if not _server_proven(attempt):
        return Step(name, SKIPPED, "Not presented, because the server is not trusted.")
    return Step(name, FAILED, "The connection ended before the certificate was presented.")


def server_verdict(attempt: Attempt) -> Step:
    """What the server made of it, in TLS."""
    name = StepName.SERVER_VERDICT
    alert = attempt.fatal_alert
    if attempt.ending is Ending.DATA:
        if attempt.http is not None and attempt.http.certificate_text:
            return Step(name, FAILED, "The server completed the handshake but refuses the certificate in its answer.")
        return Step(name, OK, "The server went on to answer the request.")
    if alert is not None:
        return Step(name, FAILED, f"The server ended the connection with the alert {alert.name}.")
    if attempt.ending is Ending.LOCAL and not _server_proven(attempt):
        return Step(name, SKIPPED, WITHHELD)
    details = {
        Ending.CLOSED: "The server closed the connection without a word.",
        Ending.RESET: "The server reset the connection without a word.",
        Ending.TIMEOUT: "The server said nothing until the time was up.",
    }
    detail = details.get(attempt.ending) or _our_complaint(attempt)
    return Step(name, WARNING if attempt.ending is Ending.TIMEOUT else FAILED, detail)


def http(attempt: Attempt) -> Step:
    """What the server answered to the request."""
    if attempt.http is None:
        if attempt.ending is Ending.DATA:
            return Step(StepName.HTTP, WARNING, "The answer was not HTTP.")
        detail = "The request was sent, and no answer came." if attempt.request_sent else NOT_REACHED
        return Step(StepName.HTTP, SKIPPED, detail)
    status = attempt.http.status
    detail = f"The server answered with HTTP status {status}."
    if attempt.http.certificate_text or status in (401, 403):
        return Step(StepName.HTTP, FAILED, detail)
    return Step(StepName.HTTP, OK if status < 500 else WARNING, detail)


def _server_proven(attempt: Attempt) -> bool:
    """Whether the server's certificate is trusted and for it; if not, we end the connection."""
    return not attempt.verify_errors and attempt.hostname_matched is True


def _our_complaint(attempt: Attempt) -> str:
    """What our side said when it ended the conversation. Without a complaint, the limit on what is read did it."""
    if not attempt.local_error:
        return "The server sent more than this product reads, and no answer was among it."
    return f"The conversation failed: {attempt.local_error.replace('_', ' ')}."
