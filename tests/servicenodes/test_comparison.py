"""What another version changes for a node, in words, and what the nodes come to."""

from __future__ import annotations

import pytest

from servicenodes.comparison import PASSING, Difference, Outcome, Seen, compare, standing
from servicenodes.tls.judgement import REASONS, Verdict

ACCEPTED = Seen("accepted", "proven")
UNKNOWN = Seen("rejected", "unknown_ca_or_missing_intermediate")
EXPIRED = Seen("rejected", "expired")
UNREACHABLE = Seen("network_error", "timeout")
NEVER = Seen("not_requested", "never_asked")
CASES: dict[str, tuple[Seen | None, Seen, Outcome, str]] = {
    "the point of it": (ACCEPTED, UNKNOWN, Outcome.BREAKS, "Works now, would not work next. The server does not trust"),
    "as one wishes": (ACCEPTED, ACCEPTED, Outcome.WORKS, "Works now and next."),
    "not enforced": (ACCEPTED, Seen("accepted_not_enforced"), Outcome.WORKS, "answers callers without a certificate"),
    "anybody": (ACCEPTED, Seen("accepted_any_certificate"), Outcome.WORKS, "accepts any certificate"),
    "repaired": (EXPIRED, ACCEPTED, Outcome.FIXED, "Does not work now, works next."),
    "only next answered": (UNREACHABLE, ACCEPTED, Outcome.FIXED, "told nothing"),
    "nothing active": (None, ACCEPTED, Outcome.WORKS, "Works next."),
    "nothing active, refused": (None, EXPIRED, Outcome.FAILS, "has expired"),
    "the same no": (UNKNOWN, UNKNOWN, Outcome.FAILS, "with the same answer"),
    "another no": (EXPIRED, UNKNOWN, Outcome.FAILS, "for different reasons"),
    "down": (UNREACHABLE, UNREACHABLE, Outcome.UNPROVEN, "The server cannot be reached: nothing is proven."),
    "down just now": (ACCEPTED, UNREACHABLE, Outcome.UNPROVEN, "Works now. The server cannot be reached this time"),
    "never asked": (NEVER, NEVER, Outcome.UNAFFECTED, "makes no difference"),
    "asked only once": (ACCEPTED, NEVER, Outcome.UNPROVEN, "did not ask"),
    "server untrusted": (ACCEPTED, Seen("server_untrusted", "x"), Outcome.UNPROVEN, "was not shown to it"),
    "by the application": (ACCEPTED, Seen("http_refused", "http_403"), Outcome.BREAKS, "its application refuses"),
    "waiting for next": (ACCEPTED, Seen(), Outcome.WAITING, "Not finished"),
    "waiting for now": (Seen(), UNKNOWN, Outcome.WAITING, "Not finished"),
    "worker died": (ACCEPTED, Seen(interrupted=True), Outcome.UNPROVEN, "test again"),
    "worker died before": (Seen(interrupted=True), ACCEPTED, Outcome.FIXED, "told nothing"),
    "worker died, refused": (Seen(interrupted=True), UNKNOWN, Outcome.FAILS, "The server does not trust"),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_node(case: str) -> None:
    now, following, outcome, words = CASES[case]
    found = compare(now, following, new_ca=True)
    assert found.outcome is outcome
    assert words in found.text


def test_a_new_ca_is_named_only_where_it_is_one() -> None:
    assert "does not trust the new CA yet" in compare(ACCEPTED, UNKNOWN, new_ca=True).text
    assert "new CA" not in compare(ACCEPTED, UNKNOWN, new_ca=False).text


def test_every_verdict_has_words_and_only_acceptance_passes() -> None:
    for verdict, reasons in REASONS.items():
        for reason in reasons:
            for now in (None, ACCEPTED, UNKNOWN, UNREACHABLE):
                found: Difference = compare(now, Seen(verdict, reason), new_ca=False)
                assert found.text.endswith("."), verdict
                if found.outcome in PASSING:
                    assert verdict.startswith("accepted") or verdict is Verdict.NOT_REQUESTED
                if verdict.startswith("accepted"):
                    assert found.outcome in PASSING


OUT = Outcome
STANDINGS: list[tuple[list[Outcome], bool, str]] = [
    ([], True, "No service node presents this certificate, so nothing can break."),
    ([OUT.WORKS], True, "1 service node tested: none would fail with the next version."),
    ([OUT.WORKS, OUT.FIXED, OUT.UNAFFECTED], True, "3 service nodes tested: none would fail with the next version."),
    ([OUT.WORKS, OUT.WAITING], False, "1 of 2 service nodes tested."),
    ([OUT.WORKS, OUT.BREAKS], False, "1 service node would stop working."),
    (
        [OUT.FAILS, OUT.FAILS, OUT.UNPROVEN],
        False,
        "2 service nodes would fail as before; 1 service node proved nothing.",
    ),
    ([OUT.OUTDATED, OUT.WORKS], False, "1 service node must be tested again."),
]


@pytest.mark.parametrize(("outcomes", "green", "text"), STANDINGS)
def test_all_nodes(outcomes: list[Outcome], green: bool, text: str) -> None:
    found = standing(outcomes)
    assert (found.green, found.text) == (green, text)
