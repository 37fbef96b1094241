"""What another version of a certificate changes for one service node, from two tests of it, and what follows for all.

`now` is the test with the active version, `next` the one with the version that may be promoted. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from servicenodes.tls.judgement import Reason, Verdict

V, R = Verdict, Reason
ACCEPTING = frozenset({V.ACCEPTED, V.ACCEPTED_NOT_ENFORCED, V.ACCEPTED_ANY_CERTIFICATE})


class Outcome(StrEnum):
    """What a promotion means for a node, worst first."""

    BREAKS = "breaks"  # works now, would not work next
    FAILS = "fails"  # works with neither
    UNPROVEN = "unproven"  # the test with the next version tells nothing of it
    OUTDATED = "outdated"  # the node is not as it was when it was tested
    WAITING = "waiting"
    FIXED = "fixed"  # works with the next version only
    WORKS = "works"
    UNAFFECTED = "unaffected"  # the server asks for no certificate


PASSING = frozenset({Outcome.FIXED, Outcome.WORKS, Outcome.UNAFFECTED})


@dataclass(frozen=True, slots=True)
class Seen:
    """How one test came out; without a verdict it is not finished, or was `interrupted`."""

    verdict: str = ""
    reason: str = ""
    interrupted: bool = False

    @property
    def accepted(self) -> bool:
        return self.verdict in ACCEPTING

    @property
    def waiting(self) -> bool:
        return not self.verdict and not self.interrupted


@dataclass(frozen=True, slots=True)
class Difference:
    """What a promotion means for a node, as one sentence."""

    outcome: Outcome
    text: str


# Verdicts that tell nothing of the certificate: it was not shown, or no answer came.
NOTHING_PROVEN = {
    V.SERVER_UNTRUSTED: "The server’s own certificate is not trusted, so the next version was not shown to it",
    V.HOSTNAME_MISMATCH: "The server’s certificate is for another name, so the next version was not shown to it",
    V.PROTOCOL_MISMATCH: "There is no TLS version or parameter in common",
    V.NOT_TLS: "What answers does not speak TLS",
    V.NETWORK_ERROR: "The server cannot be reached",
    V.ADDRESS_DENIED: "The address is not allowed, so no connection was made",
    V.INCONCLUSIVE: "The server gives no clear answer",
    V.NOT_REQUESTED: "The server did not ask for the certificate",
}
# Why a server does not take the next version. A reason goes before its verdict alone.
REFUSALS: dict[tuple[Verdict, str | None], str] = {
    (V.REJECTED, R.UNKNOWN_CA): "The server does not know the CA of the next version, or an intermediate is missing.",
    (V.REJECTED, R.EXPIRED): "The server says that the next version has expired.",
    (V.REJECTED, R.REVOKED): "The server says that the next version was revoked.",
    (V.REJECTED, R.BAD_CERTIFICATE): "The server calls the next version bad: not valid yet, or its key is too small.",
    (V.REJECTED, R.UNSUPPORTED_CERTIFICATE): (
        "The server does not take this kind of certificate: in the next version clientAuth may be missing."
    ),
    (V.REJECTED, R.ACCESS_DENIED): (
        "The server knows the CA but does not let this client in: it may keep a list of names or fingerprints."
    ),
    (V.REJECTED, R.BAD_SIGNATURE): "The server could not verify the proof that we hold the next version’s key.",
    (V.REJECTED, R.SILENT_CLOSE): "The server closes the connection without a word when it sees the next version.",
    (V.REJECTED, R.CERTIFICATE_REQUIRED): "The server says that it got no certificate, although it was presented.",
    (V.REJECTED, None): "The server rejects the next version without saying why.",
    (V.HTTP_REFUSED, None): (
        "The server takes the next version in TLS, but its application refuses the caller: it may know the client by "
        "name or fingerprint."
    ),
    (V.CERTIFICATE_NOT_SENT, None): "The server takes no signature of the next version’s kind of key.",
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): "The certificate may not be presented to this host.",
    (V.CERTIFICATE_UNUSABLE, R.TESTER_NOT_ALLOWED): "Whoever asked may not test it any more.",
    (V.CERTIFICATE_UNUSABLE, R.SEALED): "The console is sealed, so no key can be opened.",
    (V.CERTIFICATE_UNUSABLE, None): "The key of the next version cannot be used.",
}
NEW_CA = {
    R.UNKNOWN_CA: "The server does not trust the new CA yet, or an intermediate is missing.",
    R.CERTIFICATE_ERROR: "The server rejects the next version without saying why: it may not trust the new CA yet.",
    R.SILENT_CLOSE: "The server closes the connection without a word: it may not trust the new CA yet.",
}
WEAK = {
    V.ACCEPTED_NOT_ENFORCED: ", but the server answers callers without a certificate too",
    V.ACCEPTED_ANY_CERTIFICATE: ", but the server accepts any certificate",
}


def compare(now: Seen | None, following: Seen, *, new_ca: bool) -> Difference:
    """What promoting means for the node. `now` is None when no version is active, so that only the next was tested.

    `new_ca`: the next version was issued by another CA than the active one.
    """
    if following.waiting or (now is not None and now.waiting):
        return Difference(Outcome.WAITING, "Not finished yet.")
    if following.interrupted:
        return Difference(Outcome.UNPROVEN, "The worker stopped in the middle of the test: test again.")
    verdict = V(following.verdict)
    if following.accepted:
        return _accepted(now, verdict)
    if verdict is V.NOT_REQUESTED and (now is None or now.verdict == V.NOT_REQUESTED):
        return Difference(Outcome.UNAFFECTED, "The server asks for no certificate, so the version makes no difference.")
    if verdict in NOTHING_PROVEN:
        return Difference(Outcome.UNPROVEN, _unproven(now, verdict))
    return _refused(now, following, _why(following, new_ca=new_ca))


def _accepted(now: Seen | None, verdict: Verdict) -> Difference:
    weak = WEAK.get(verdict, "")
    if now is None:
        return Difference(Outcome.WORKS, f"Works next{weak}.")
    if now.accepted:
        return Difference(Outcome.WORKS, f"Works now and next{weak}.")
    if now.verdict and now.verdict not in NOTHING_PROVEN:
        return Difference(Outcome.FIXED, f"Does not work now, works next{weak}.")
    return Difference(Outcome.FIXED, f"Works next{weak}. The test with the active version told nothing.")


def _unproven(now: Seen | None, verdict: Verdict) -> str:
    why = NOTHING_PROVEN[verdict]
    if now is not None and now.accepted:
        return f"Works now. {why} this time, so nothing is proven: test again."
    return f"{why}: nothing is proven."


def _refused(now: Seen | None, following: Seen, why: str) -> Difference:
    if now is not None and now.accepted:
        return Difference(Outcome.BREAKS, f"Works now, would not work next. {why}")
    if now is None or not now.verdict or now.verdict in NOTHING_PROVEN:
        return Difference(Outcome.FAILS, why)
    answers = "with the same answer" if now == following else "for different reasons"
    return Difference(Outcome.FAILS, f"Fails with both, {answers}. {why}")


def _why(following: Seen, *, new_ca: bool) -> str:
    verdict = V(following.verdict)
    if new_ca and verdict is V.REJECTED and following.reason in NEW_CA:
        return NEW_CA[R(following.reason)]
    if (verdict, following.reason) in REFUSALS:
        return REFUSALS[verdict, following.reason]
    return REFUSALS.get((verdict, None)) or "The next version is not accepted."


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rows come to. `green`: a promotion is proven to break nothing."""

    green: bool
    text: str


def standing(outcomes: Iterable[Outcome]) -> Standing:
    """What the differences of all nodes come to."""
    counts = Counter(outcomes)
    total, passing, waiting = counts.total(), sum(counts[outcome] for outcome in PASSING), counts[Outcome.WAITING]
    if waiting:
        text = f"{total - waiting} of {_nodes(total)} tested."
    elif not total:
        text = "No service node presents this certificate, so nothing can break."
    elif passing == total:
        text = f"{_nodes(total)} tested: none would fail with the next version."
    else:
        parts = [words.format(_nodes(counts[outcome])) for outcome, words in SUMMED.items() if counts[outcome]]
        text = f"{'; '.join(parts)}."
    return Standing(green=passing == total, text=text)


SUMMED = {
    Outcome.BREAKS: "{} would stop working",
    Outcome.FAILS: "{} would fail as before",
    Outcome.UNPROVEN: "{} proved nothing",
    Outcome.OUTDATED: "{} must be tested again",
}


def _nodes(count: int) -> str:
    return f"{count} service node{'' if count == 1 else 's'}"
