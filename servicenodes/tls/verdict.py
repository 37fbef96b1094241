"""From facts to a verdict: pure, a table of rules in order. The first rule that has an answer decides.

The rules and their order are those of RFC 8446 as servers really live it: a completed handshake proves nothing in
TLS 1.3, a session ticket neither; data that the server gives only with the certificate does. An alert that came
before our answer to the certificate request is never about our certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from servicenodes.tls.advice import advice_for
from servicenodes.tls.hints import find_hints
from servicenodes.tls.http import TELLING_STATUSES
from servicenodes.tls.judgement import Certainty, Judgement, Layer, Reason, Verdict
from servicenodes.tls.observation import Attempt, Ending, Failure, Observation, Sent
from servicenodes.tls.words import summary_for, with_validity

__all__ = ["Certainty", "Judgement", "Layer", "Reason", "Ruling", "Verdict", "decide", "phrase"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict without its words."""

    verdict: Verdict
    reason: str
    certainty: Certainty
    layer: Layer


# RFC 8446 section 6.2, RFC 5246 section 7.2.2. `unknown_ca` is also what a missing intermediate looks like.
ALERT_REASONS = {
    41: Reason.CERTIFICATE_REQUIRED,
    42: Reason.BAD_CERTIFICATE,
    43: Reason.UNSUPPORTED_CERTIFICATE,
    44: Reason.REVOKED,
    45: Reason.EXPIRED,
    46: Reason.CERTIFICATE_ERROR,
    48: Reason.UNKNOWN_CA,
    49: Reason.ACCESS_DENIED,
    51: Reason.BAD_SIGNATURE,
    116: Reason.CERTIFICATE_REQUIRED,
}
HANDSHAKE_FAILURE = 40
PARAMETER_REASONS = {
    70: Reason.NO_COMMON_VERSION,
    112: Reason.UNRECOGNIZED_NAME,
    120: Reason.NO_APPLICATION_PROTOCOL,
}
VERSION_WORDS = ("unsupported_protocol", "wrong_ssl_version", "wrong_version_number", "no_protocols_available")
TEXT_REASONS = {"no_certificate": Reason.CERTIFICATE_REQUIRED, "certificate_error": Reason.CERTIFICATE_ERROR}
BY_POLICY = {Reason.HOST_NOT_ALLOWED, Reason.TESTER_NOT_ALLOWED}
HTTP_REASONS = {401: Reason.HTTP_401, 403: Reason.HTTP_403}


def decide(observation: Observation, *, now: datetime) -> Judgement:
    """Judge what was seen. `now` (aware UTC) is for the findings about validity."""
    return phrase(next(found for rule in RULES if (found := rule(observation)) is not None), observation, now=now)


def phrase(ruling: Ruling, observation: Observation, *, now: datetime) -> Judgement:
    """A ruling with its words and findings."""
    findings = find_hints(observation, ruling.verdict, now=now)
    summary = summary_for(ruling.verdict, ruling.reason, ruling.certainty, observation)
    return Judgement(
        verdict=ruling.verdict,
        reason=ruling.reason,
        certainty=ruling.certainty,
        layer=ruling.layer,
        summary=with_validity(summary, ruling.verdict, ruling.reason, findings),
        advice=advice_for(ruling.verdict, ruling.reason, observation, findings),
        findings=findings,
    )


def _unusable(seen: Observation) -> Ruling | None:
    if not seen.unusable:
        return None
    reason = Reason(seen.unusable_reason or Reason.ENGINE_REFUSED)
    layer = Layer.POLICY if reason in BY_POLICY else Layer.CLIENT_CERTIFICATE
    return Ruling(Verdict.CERTIFICATE_UNUSABLE, reason, Certainty.CERTAIN, layer)


def _denied(seen: Observation) -> Ruling | None:
    if not seen.denied:
        return None
    return Ruling(Verdict.ADDRESS_DENIED, Reason.ADDRESS_NOT_ALLOWED, Certainty.CERTAIN, Layer.POLICY)


def _network(seen: Observation) -> Ruling | None:
    failures = [attempt.failure for attempt in _meetings(seen) if attempt.failure is not None]
    if seen.resolve_failure:
        failures = [Failure.DNS_FAILED]
    if not failures:
        return None
    return Ruling(Verdict.NETWORK_ERROR, failures[0], Certainty.CERTAIN, Layer.NETWORK)


def _not_tls(seen: Observation) -> Ruling | None:
    if not any(attempt.looks_like_tls is False for attempt in _meetings(seen)):
        return None
    return Ruling(Verdict.NOT_TLS, Reason.OTHER_PROTOCOL, Certainty.CERTAIN, Layer.TLS)


def _untrusted(seen: Observation) -> Ruling | None:
    errors = [error for attempt in _meetings(seen) for error in attempt.verify_errors]
    if not errors:
        return None
    return Ruling(Verdict.SERVER_UNTRUSTED, errors[0].code, Certainty.CERTAIN, Layer.SERVER_CERTIFICATE)


def _hostname(seen: Observation) -> Ruling | None:
    if not any(attempt.hostname_matched is False for attempt in _meetings(seen)):
        return None
    return Ruling(Verdict.HOSTNAME_MISMATCH, Reason.NAME_NOT_COVERED, Certainty.CERTAIN, Layer.SERVER_CERTIFICATE)


def _protocol(seen: Observation) -> Ruling | None:
    """The handshake failed before our answer to a certificate request: no certificate of ours is to blame."""
    for attempt in _meetings(seen):
        if attempt.handshake_completed or attempt.sent is not Sent.NO:
            continue
        alert = attempt.fatal_alert
        if alert is not None and not alert.after_our_flight:
            reason = PARAMETER_REASONS.get(alert.code, Reason.NO_COMMON_PARAMETERS)
            return Ruling(Verdict.PROTOCOL_MISMATCH, reason, Certainty.CERTAIN, Layer.TLS)
        if alert is None and attempt.local_error:
            version = attempt.local_error in VERSION_WORDS
            reason = Reason.NO_COMMON_VERSION if version else Reason.NO_COMMON_PARAMETERS
            return Ruling(Verdict.PROTOCOL_MISMATCH, reason, Certainty.CERTAIN, Layer.TLS)
    return None


def _not_made(seen: Observation) -> Ruling | None:
    """Without a real attempt, and without any of the reasons above, nothing can be said."""
    if seen.real is not None:
        return None
    return Ruling(Verdict.INCONCLUSIVE, Reason.BROKEN_OFF, Certainty.LOW, Layer.TLS)


def _not_requested(seen: Observation) -> Ruling | None:
    real = _real(seen)
    if real.requested or real.fatal_alert is not None or not real.handshake_completed:
        return None
    # A 403 in TLS 1.3 may come from a server that would ask after the handshake; that was already tried again.
    forbidden = real.http is not None and real.http.status == 403
    plain_answer = real.ending is Ending.DATA and not forbidden
    certainty = Certainty.CERTAIN if plain_answer or real.tls_version == "TLSv1.2" else Certainty.MEDIUM
    return Ruling(Verdict.NOT_REQUESTED, Reason.NEVER_ASKED, certainty, Layer.TLS)


def _no_certificate(seen: Observation) -> Ruling | None:
    real = _real(seen)
    if seen.has_credential or not real.requested:
        return None
    reason, certainty = Reason.ASKED, Certainty.MEDIUM
    alert = real.fatal_alert
    if real.ending is Ending.DATA and not _refused(real):
        helped = real.http is not None and real.http.status < 400
        reason, certainty = Reason.OPTIONAL, Certainty.CERTAIN if helped else Certainty.MEDIUM
    elif alert is not None and alert.code == HANDSHAKE_FAILURE:
        # TLS 1.2 has no alert that says "certificate required": probable, not certain.
        reason, certainty = Reason.CERTIFICATE_REQUIRED, Certainty.HIGH
    elif (real.http is not None and real.http.certificate_text) or (alert is not None and alert.code in ALERT_REASONS):
        reason, certainty = Reason.CERTIFICATE_REQUIRED, Certainty.CERTAIN
    elif alert is not None or _refused(real):
        reason, certainty = Reason.CERTIFICATE_REQUIRED, Certainty.MEDIUM
    return Ruling(Verdict.NO_CERTIFICATE, reason, certainty, Layer.CLIENT_CERTIFICATE)


def _not_sent(seen: Observation) -> Ruling | None:
    if _real(seen).sent is not Sent.EMPTY:
        return None
    return Ruling(
        Verdict.CERTIFICATE_NOT_SENT,
        Reason.NO_COMMON_SIGNATURE_ALGORITHM,
        Certainty.CERTAIN,
        Layer.CLIENT_CERTIFICATE,
    )


def _alert(seen: Observation) -> Ruling | None:
    real = _real(seen)
    alert = real.fatal_alert
    if alert is None or real.ending is Ending.DATA or real.sent is not Sent.CERTIFICATE or not alert.after_our_flight:
        return None
    reason = ALERT_REASONS.get(alert.code, Reason.UNSPECIFIED)
    about_certificate = alert.code in ALERT_REASONS or alert.code == HANDSHAKE_FAILURE
    certainty = Certainty.CERTAIN if about_certificate else Certainty.MEDIUM
    return Ruling(Verdict.REJECTED, reason, certainty, Layer.CLIENT_CERTIFICATE)


def _http_text(seen: Observation) -> Ruling | None:
    answer = _real(seen).http
    if answer is None or answer.certificate_text is None:
        return None
    return Ruling(Verdict.REJECTED, TEXT_REASONS[answer.certificate_text], Certainty.CERTAIN, Layer.HTTP)


def _silent_close(seen: Observation) -> Ruling | None:
    """Closed without alert or data. A server that says no to callers without a certificate would say no to a wrong
    one as well: its silence is more likely the end of an accepted conversation, so the verdict is less sure.
    """
    real = _real(seen)
    if real.ending not in (Ending.CLOSED, Ending.RESET) or real.sent is not Sent.CERTIFICATE:
        return None
    if seen.refuses_aloud:
        certainty = Certainty.LOW if real.request_sent else Certainty.MEDIUM
    elif seen.control is not None and seen.control.ending is Ending.DATA:
        certainty = Certainty.CERTAIN
    else:
        certainty = Certainty.MEDIUM if real.request_sent else Certainty.HIGH
    return Ruling(Verdict.REJECTED, Reason.SILENT_CLOSE, certainty, Layer.CLIENT_CERTIFICATE)


def _http_refused(seen: Observation) -> Ruling | None:
    real = _real(seen)
    if real.ending is not Ending.DATA or real.http is None or real.http.status not in HTTP_REASONS:
        return None
    control = seen.control
    enforced = control is not None and _refused(control) and not _same_status(control, real) and not seen.repeated
    certainty = Certainty.CERTAIN if enforced else Certainty.MEDIUM
    return Ruling(Verdict.HTTP_REFUSED, HTTP_REASONS[real.http.status], certainty, Layer.HTTP)


def _accepted(seen: Observation) -> Ruling | None:
    real, control = _real(seen), seen.control
    if real.ending is not Ending.DATA:
        return None
    layer = Layer.CLIENT_CERTIFICATE
    if seen.repeated and control is not None and control.ending in (Ending.CLOSED, Ending.RESET):
        # The server closed even on our certificate, once: that it closed without one as well proves nothing.
        return Ruling(Verdict.ACCEPTED, Reason.CONTROL_INCONCLUSIVE, Certainty.MEDIUM, layer)
    if control is not None and _refused(control):
        if _refused_by_application(control) and real.http is not None and real.http.status >= 400:
            return _two_errors(real.http.status)
        canary = seen.canary
        if canary is not None and canary.sent is Sent.CERTIFICATE and _same_status(canary, real):
            return Ruling(Verdict.ACCEPTED_ANY_CERTIFICATE, Reason.CANARY_ACCEPTED, Certainty.CERTAIN, layer)
        return Ruling(Verdict.ACCEPTED, Reason.PROVEN, Certainty.PROVEN, layer)
    return _answered_without_refusal(real, control)


def _answered_without_refusal(real: Attempt, control: Attempt | None) -> Ruling:
    """Data came, and the control attempt was not turned away: nothing proves that the certificate was looked at."""
    layer = Layer.CLIENT_CERTIFICATE
    if real.http is None:
        return Ruling(Verdict.INCONCLUSIVE, Reason.NOT_HTTP, Certainty.LOW, Layer.HTTP)
    if control is None:
        return Ruling(Verdict.ACCEPTED, Reason.WITHOUT_CONTROL, Certainty.MEDIUM, layer)
    if control.ending is not Ending.DATA or control.http is None:
        return Ruling(Verdict.ACCEPTED, Reason.CONTROL_INCONCLUSIVE, Certainty.MEDIUM, layer)
    if not _same_status(control, real):
        return _answers_differ(control.http.status, real.http.status)
    if _says_nothing(real.http.status):
        return Ruling(Verdict.INCONCLUSIVE, Reason.OUT_OF_ORDER, Certainty.LOW, Layer.HTTP)
    certainty = Certainty.CERTAIN if real.http.status < 400 else Certainty.MEDIUM
    return Ruling(Verdict.ACCEPTED_NOT_ENFORCED, Reason.SAME_WITHOUT_CERTIFICATE, certainty, layer)


def _answers_differ(without: int, with_ours: int) -> Ruling:
    """Both attempts were answered, neither with a refusal of the certificate, but not alike."""
    if with_ours >= 400:
        return Ruling(Verdict.INCONCLUSIVE, Reason.ANSWERS_DIFFER, Certainty.LOW, Layer.HTTP)
    layer = Layer.CLIENT_CERTIFICATE
    if without >= 400 and not _says_nothing(without):
        return Ruling(Verdict.ACCEPTED, Reason.PROVEN, Certainty.HIGH, layer)
    return Ruling(Verdict.ACCEPTED, Reason.CONTROL_INCONCLUSIVE, Certainty.MEDIUM, layer)


def _two_errors(status: int) -> Ruling:
    """401 or 403 without the certificate, and another error with it; 400 may well be about the certificate."""
    if status in TELLING_STATUSES or _says_nothing(status):
        return Ruling(Verdict.INCONCLUSIVE, Reason.ANSWERS_DIFFER, Certainty.LOW, Layer.HTTP)
    return Ruling(Verdict.ACCEPTED, Reason.PROVEN, Certainty.HIGH, Layer.CLIENT_CERTIFICATE)


def _silence(seen: Observation) -> Ruling | None:
    if _real(seen).ending is not Ending.TIMEOUT:
        return None
    return Ruling(Verdict.INCONCLUSIVE, Reason.SILENCE, Certainty.LOW, Layer.HTTP)


def _otherwise(seen: Observation) -> Ruling | None:
    return Ruling(Verdict.INCONCLUSIVE, Reason.BROKEN_OFF, Certainty.LOW, Layer.TLS)


RULES: tuple[Callable[[Observation], Ruling | None], ...] = (
    _unusable,
    _denied,
    _network,
    _not_tls,
    _untrusted,
    _hostname,
    _protocol,
    _not_made,
    _no_certificate,
    _not_requested,
    _not_sent,
    _alert,
    _http_text,
    _silent_close,
    _http_refused,
    _accepted,
    _silence,
    _otherwise,
)


def _meetings(seen: Observation) -> list[Attempt]:
    """The attempts that count for what happens before our certificate matters; the canary never does."""
    return [attempt for attempt in (seen.control, seen.real) if attempt is not None]


def _real(seen: Observation) -> Attempt:
    assert seen.real is not None  # noqa: S101 - `_not_made` stands before every rule that asks
    return seen.real


def _refused(attempt: Attempt) -> bool:
    """Whether the server turned this attempt away after it had asked for a certificate."""
    if not attempt.requested:
        return False
    if attempt.ending is Ending.DATA:
        answer = attempt.http
        return answer is not None and (answer.certificate_text is not None or answer.status in HTTP_REASONS)
    alert = attempt.fatal_alert
    closed = attempt.ending in (Ending.CLOSED, Ending.RESET)
    return closed or (alert is not None and alert.after_our_flight)


def _refused_by_application(attempt: Attempt) -> bool:
    """Refused by a bare 401 or 403, which TLS knows nothing of."""
    answer = attempt.http
    return attempt.ending is Ending.DATA and answer is not None and answer.certificate_text is None


def _says_nothing(status: int) -> bool:
    """Overloaded, out of order, or too slow: no answer to the question. 501 is one: this method is not served."""
    return (status >= 500 and status != 501) or status in (408, 429)


def _same_status(one: Attempt, other: Attempt) -> bool:
    return one.http is not None and other.http is not None and one.http.status == other.http.status
