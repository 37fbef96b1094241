"""Why a call was not made or brought no answer, in the words of a connection test. Pure.

`verdict.decide` judges whatever a test could have seen too. What only a call can run into has its own rulings here:
an answer that breaks off or is too large, a connection that had already served, a deadline in the middle.
"""

from __future__ import annotations

from datetime import UTC, datetime

from servicenodes.errors import ConnectionPhaseError
from servicenodes.tls.judgement import Certainty, Judgement, Layer, Reason, Verdict
from servicenodes.tls.observation import Attempt, Ending, Observation, Sent
from servicenodes.tls.verdict import Ruling, decide, phrase

UNANSWERED = frozenset({Ending.CLOSED, Ending.RESET})
PHASES = {
    Verdict.ADDRESS_DENIED: "policy",
    Verdict.NETWORK_ERROR: "connect",
    Verdict.NOT_TLS: "handshake",
    Verdict.PROTOCOL_MISMATCH: "handshake",
    Verdict.SERVER_UNTRUSTED: "handshake",
    Verdict.HOSTNAME_MISMATCH: "handshake",
    Verdict.CERTIFICATE_UNUSABLE: "handshake",
    Verdict.CERTIFICATE_NOT_SENT: "handshake",
    Verdict.NOT_REQUESTED: "handshake",
}
SURE = frozenset({Certainty.PROVEN, Certainty.CERTAIN})
NOT_SENT = "The request was not sent."
UNKNOWN = "Whether the request was carried out is not known."
# What is obvious from the verdict needs no second sentence.
PLAIN = frozenset({Verdict.ADDRESS_DENIED, Verdict.NETWORK_ERROR, Verdict.NOT_TLS, Verdict.PROTOCOL_MISMATCH})

UNPROVEN = frozenset({Verdict.SERVER_UNTRUSTED, Verdict.HOSTNAME_MISMATCH})


class CallFailed(ConnectionPhaseError):
    """The call brought no answer, or was not made. Says the same as a connection test would: `verdict`, `reason`,
    `certainty`, `layer`, `advice`, `findings`. `request_sent`: whether any byte of the request left this machine.
    `reused`: on a connection that had served before, so that the server had taken the certificate.
    `client_certificate` is what the node presents, in the words of the caller's document."""

    code = "call_failed"

    def __init__(
        self, judgement: Judgement, observation: Observation, *, request_sent: bool, reused: bool = False
    ) -> None:
        outcome = _outcome(judgement, observation, request_sent)
        super().__init__(" ".join(filter(None, (judgement.summary, outcome))))
        self.verdict = judgement.verdict
        self.reason = str(judgement.reason)
        self.certainty = judgement.certainty
        self.layer = judgement.layer
        self.advice = judgement.advice
        self.findings = judgement.findings
        self.phase = PHASES.get(judgement.verdict, "http")
        self.request_sent = request_sent
        self.reused = reused
        self.client_certificate: dict[str, object] | None = None
        self.observation = observation

    @property
    def certificate_refused(self) -> bool:
        """Whether the server is known to have refused the certificate that was presented, before any application.

        That none was sent is no complaint of the server that was shown one: somebody behind it was not.
        """
        real = self.observation.real
        if real is None or real.sent is not Sent.CERTIFICATE or self.reused:
            return False
        by_page = real.http is not None and real.http.status == 400 and self.reason == Reason.CERTIFICATE_ERROR
        aloud = self.layer is Layer.CLIENT_CERTIFICATE or by_page
        return aloud and self.verdict is Verdict.REJECTED and self.certainty in SURE


def _outcome(judgement: Judgement, observation: Observation, request_sent: bool) -> str:
    if not request_sent:
        unasked = judgement.verdict in UNPROVEN and not observation.presented  # the summary says so
        return "" if unasked or judgement.verdict in PLAIN else NOT_SENT
    return UNKNOWN if judgement.verdict is Verdict.INCONCLUSIVE else ""


def failed(
    observation: Observation, *, ruling: Ruling | None = None, request_sent: bool = False, reused: bool = False
) -> CallFailed:
    """The failure that was observed, by a ruling of its own or by the rules of a test."""
    now = datetime.now(UTC)
    judgement = decide(observation, now=now) if ruling is None else phrase(ruling, observation, now=now)
    return CallFailed(judgement, observation, request_sent=request_sent, reused=reused)


def host_not_allowed() -> Ruling:
    """The certificate may not be presented to this host."""
    return Ruling(Verdict.CERTIFICATE_UNUSABLE, Reason.HOST_NOT_ALLOWED, Certainty.CERTAIN, Layer.POLICY)


def busy() -> Ruling:
    """No connection became free in time."""
    return Ruling(Verdict.INCONCLUSIVE, Reason.BUSY, Certainty.CERTAIN, Layer.POLICY)


def unanswered(attempt: Attempt, *, reused: bool) -> Ruling | None:
    """The ruling for a request without one byte of an answer; None leaves it to the rules of a test.

    A connection that has served before was let in with its certificate: its end is no rejection. A server that never
    asked cannot have rejected anything either.
    """
    if not attempt.handshake_completed:
        return None
    if attempt.ending is Ending.TIMEOUT:
        return Ruling(Verdict.INCONCLUSIVE, Reason.SILENCE, Certainty.LOW, Layer.HTTP)
    if attempt.ending in UNANSWERED and (reused or not attempt.requested):
        return Ruling(Verdict.INCONCLUSIVE, Reason.BROKEN_OFF, Certainty.CERTAIN, Layer.HTTP)
    return None


def broken_answer(reason: Reason) -> Ruling:
    """The ruling for an answer that began and cannot be used."""
    return Ruling(Verdict.INCONCLUSIVE, reason, Certainty.CERTAIN, Layer.HTTP)
