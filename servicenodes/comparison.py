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
    REFUSED = "refused"  # would not work next; whether it works now is not known
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
    """How one test came out; without a verdict it is not finished, or was `interrupted`.

    `secret_left_out`: calls of the node send a secret header, and a test sends none.
    """

    verdict: str = ""
    reason: str = ""
    interrupted: bool = False
    secret_left_out: bool = False

    @property
    def accepted(self) -> bool:
        return self.verdict in ACCEPTING

    @property
    def waiting(self) -> bool:
        return not self.verdict and not self.interrupted

    @property
    def tells_nothing(self) -> bool:
        """Of the certificate: it was not shown, or no answer came."""
        return self.interrupted or self.verdict in NOTHING_PROVEN or self.reason in NOT_MADE

    @property
    def lacks_secret(self) -> bool:
        """The server took the certificate; its application refused a caller who would send more than a test does."""
        return self.secret_left_out and self.verdict == V.HTTP_REFUSED


@dataclass(frozen=True, slots=True)
class Difference:
    """What a promotion means for a node, as one sentence."""

    outcome: Outcome
    text: str


# Verdicts that tell nothing of the certificate: it was not shown, or no answer came.
NOTHING_PROVEN = {
    V.SERVER_UNTRUSTED: "the server’s own certificate was not trusted, so ours was not shown to it",
    V.HOSTNAME_MISMATCH: "the server’s certificate was for another name, so ours was not shown to it",
    V.PROTOCOL_MISMATCH: "there was no TLS version or parameter in common",
    V.NOT_TLS: "what answered did not speak TLS",
    V.NETWORK_ERROR: "the server could not be reached",
    V.ADDRESS_DENIED: "EGRESS_ALLOW does not allow the address, so no connection was made",
    V.INCONCLUSIVE: "the server gave no clear answer",
    V.NOT_REQUESTED: "the server did not ask for a certificate",
}
# Why no test could be made, whatever the version.
NOT_MADE = {
    R.SEALED: "the console was sealed, so no key could be opened",
    R.TESTER_NOT_ALLOWED: "whoever asked may not test it any more",
}
# Why a server does not take a version. A reason goes before its verdict alone.
REFUSALS: dict[tuple[Verdict, str | None], str] = {
    (V.REJECTED, R.UNKNOWN_CA): "The server does not know the CA of {version}, or an intermediate is missing.",
    (V.REJECTED, R.EXPIRED): "The server calls {version} expired.",
    (V.REJECTED, R.REVOKED): "The server calls {version} revoked.",
    (V.REJECTED, R.BAD_CERTIFICATE): "The server calls {version} bad: not valid yet, or with too small a key.",
    (V.REJECTED, R.UNSUPPORTED_CERTIFICATE): (
        "The server does not take this kind of certificate: clientAuth may be missing in {version}."
    ),
    (V.REJECTED, R.ACCESS_DENIED): (
        "The server knows the CA but does not let this client in: it may keep a list of names or fingerprints."
    ),
    (V.REJECTED, R.BAD_SIGNATURE): "The server could not verify the proof that we hold the key of {version}.",
    (V.REJECTED, R.SILENT_CLOSE): "The server closes the connection without a word when it sees {version}.",
    (V.REJECTED, R.CERTIFICATE_REQUIRED): "The server says that it got no certificate, although it was presented.",
    (V.REJECTED, None): "The server rejects {version} without saying why.",
    (V.HTTP_REFUSED, None): (
        "The server takes {version} in TLS, but its application refuses the caller: it may know the client by name or "
        "fingerprint."
    ),
    (V.CERTIFICATE_NOT_SENT, None): "The server takes no signature by the key of {version}.",
    (V.CERTIFICATE_UNUSABLE, R.HOST_NOT_ALLOWED): "The certificate may not be presented to this host.",
    (V.CERTIFICATE_UNUSABLE, None): "The key of {version} cannot be used.",
    (V.NO_CERTIFICATE, None): "Nothing was presented.",
}
UNHEARD = (
    "The server takes {version} in TLS. Its application refuses the test, which sends no secret header: "
    "no more is proven."
)
ACTIVE, NEXT, BOTH = "the active version", "the next version", "both versions"
NEITHER_KNOWN = "The server does not know the CA of either version, or an intermediate is missing."
# Said only where the active version is accepted: then it is the new CA that makes the difference.
NEW_CA: dict[str, str] = {
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
    if following.accepted:
        return _accepted(now, V(following.verdict))
    if following.verdict == V.NOT_REQUESTED and (now is None or now.verdict == V.NOT_REQUESTED):
        return Difference(Outcome.UNAFFECTED, "The server asks for no certificate, so the version makes no difference.")
    if following.tells_nothing:
        return Difference(Outcome.UNPROVEN, _unproven(now, following))
    if following.lacks_secret and not (now is not None and now.accepted):
        taken = BOTH if now is not None and now.lacks_secret else NEXT
        return Difference(Outcome.UNPROVEN, UNHEARD.format(version=taken))
    return _refused(now, following, new_ca=new_ca)


def _accepted(now: Seen | None, verdict: Verdict) -> Difference:
    weak = WEAK.get(verdict, "")
    if now is None:
        return Difference(Outcome.WORKS, f"Works next{weak}.")
    if now.accepted:
        return Difference(Outcome.WORKS, f"Works now and next{weak}.")
    if now.tells_nothing:
        return Difference(Outcome.WORKS, f"Works next{weak}. {_unknown(ACTIVE, now)}")
    return Difference(Outcome.FIXED, f"Does not work now, works next{weak}.")


def _unproven(now: Seen | None, following: Seen) -> str:
    if now is not None and not now.tells_nothing:
        return f"{'Works' if now.accepted else 'Does not work'} now. {_unknown(NEXT, following)} Test again."
    why = _silence(following)
    if now is None or _silence(now) == why:
        return f"Nothing is proven: {why}. Test again."
    return f"Nothing is proven. Now: {_silence(now)}. Next: {why}. Test again."


def _unknown(version: str, seen: Seen) -> str:
    return f"Nothing is proven of {version}: {_silence(seen)}."


def _silence(seen: Seen) -> str:
    if seen.interrupted:
        return "the worker stopped in the middle of the test"
    return NOT_MADE[R(seen.reason)] if seen.reason in NOT_MADE else NOTHING_PROVEN[V(seen.verdict)]


def _refused(now: Seen | None, following: Seen, *, new_ca: bool) -> Difference:
    why = _why(following, NEXT)
    if now is None:
        return Difference(Outcome.FAILS, f"Would not work next. {why}")
    if now.accepted:
        named = NEW_CA.get(following.reason) if new_ca and following.verdict == V.REJECTED else None
        return Difference(Outcome.BREAKS, f"Works now, would not work next. {named or why}")
    if now.tells_nothing:
        return Difference(Outcome.REFUSED, f"Would not work next. {why} {_unknown(ACTIVE, now)}")
    if _why(now, NEXT) == why:
        same = NEITHER_KNOWN if now.reason == R.UNKNOWN_CA else _why(now, BOTH)
        return Difference(Outcome.FAILS, f"Works with neither version. {same}")
    return Difference(Outcome.FAILS, f"Works with neither version. Now: {_why(now, ACTIVE)} Next: {why}")


def _why(seen: Seen, version: str) -> str:
    verdict = V(seen.verdict)
    sentence = REFUSALS.get((verdict, seen.reason)) or REFUSALS[verdict, None]
    return sentence.format(version=version)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rows come to. `green`: a promotion is proven to break nothing."""

    green: bool
    text: str


def standing(outcomes: Iterable[Outcome]) -> Standing:
    """What the differences of all nodes come to. The counts in the text add up to the rows."""
    counts = Counter(outcomes)
    total, passing, waiting = counts.total(), sum(counts[outcome] for outcome in PASSING), counts[Outcome.WAITING]
    if waiting:
        text = f"{total - waiting - counts[Outcome.OUTDATED]} of {_nodes(total)} tested."
    elif not total:
        text = "No service node presents this certificate, so nothing can break."
    elif passing == total:
        text = f"{_nodes(total)} tested: none would fail with the next version."
    else:
        kinds = [(counts[outcome], words[counts[outcome] > 1]) for outcome, words in SUMMED.items() if counts[outcome]]
        parts = ", ".join(f"{count} {words}" for count, words in kinds)
        text = f"Of {_nodes(total)}, {parts}." if total > 1 else f"1 service node {kinds[0][1]}."
    return Standing(green=passing == total, text=text)


# What one node does, and what several do.
SUMMED = {
    Outcome.BREAKS: ("would stop working",) * 2,
    Outcome.REFUSED: ("would be refused",) * 2,
    Outcome.FAILS: ("would fail as before",) * 2,
    Outcome.UNPROVEN: ("proved nothing",) * 2,
    Outcome.OUTDATED: ("must be tested again",) * 2,
    Outcome.FIXED: ("would start working",) * 2,
    Outcome.WORKS: ("works with the next version", "work with the next version"),
    Outcome.UNAFFECTED: ("is not affected", "are not affected"),
}


def _nodes(count: int) -> str:
    return f"{count} service node{'' if count == 1 else 's'}"
