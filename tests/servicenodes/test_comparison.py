"""What another version changes for a node, in words, and what the nodes come to."""

from __future__ import annotations

from itertools import product

import pytest

from servicenodes.comparison import PASSING, Difference, Outcome, Seen, compare, standing
from servicenodes.tls.judgement import REASONS, Verdict

ACCEPTED = Seen("accepted", "proven")
UNKNOWN = Seen("rejected", "unknown_ca_or_missing_intermediate")
EXPIRED = Seen("rejected", "expired")
UNREACHABLE = Seen("network_error", "timeout")
NEVER = Seen("not_requested", "never_asked")
OUT = Outcome
DENIED = Seen("address_denied", "address_not_allowed")
DIED = Seen(interrupted=True)
SEALED = Seen("certificate_unusable", "sealed")
NO_SECRET = Seen("http_refused", "http_401", secret_left_out=True)
REFUSED_BY_APPLICATION = Seen("http_refused", "http_401")
CASES: dict[str, tuple[Seen | None, Seen, Outcome, str]] = {
    "the point of it": (
        ACCEPTED,
        UNKNOWN,
        OUT.BREAKS,
        "Works now, would not work next. The server does not trust the new CA yet, or an intermediate is missing.",
    ),
    "a secret header that no test sends": (
        NO_SECRET,
        NO_SECRET,
        OUT.UNPROVEN,
        (
            "The server takes both versions in TLS. Its application refuses the test, which sends no secret header: "
            "no more is proven."
        ),
    ),
    "a secret header, and another no now": (
        UNKNOWN,
        NO_SECRET,
        OUT.UNPROVEN,
        (
            "The server takes the next version in TLS. Its application refuses the test, which sends no secret header: "
            "no more is proven."
        ),
    ),
    "a secret header that the application did not miss": (
        Seen("accepted", "proven", secret_left_out=True),
        NO_SECRET,
        OUT.BREAKS,
        (
            "Works now, would not work next. The server takes the next version in TLS, but its application refuses the "
            "caller: it may know the client by name or fingerprint."
        ),
    ),
    "refused by the application alone": (
        REFUSED_BY_APPLICATION,
        REFUSED_BY_APPLICATION,
        OUT.FAILS,
        (
            "Works with neither version. The server takes both versions in TLS, but its application refuses the "
            "caller: it may know the client by name or fingerprint."
        ),
    ),
    "sealed meanwhile": (
        ACCEPTED,
        SEALED,
        OUT.UNPROVEN,
        (
            "Works now. Nothing is proven of the next version: the console was sealed, so no key could be opened. "
            "Test again."
        ),
    ),
    "as one wishes": (ACCEPTED, ACCEPTED, OUT.WORKS, "Works now and next."),
    "not enforced": (
        ACCEPTED,
        Seen("accepted_not_enforced"),
        OUT.WORKS,
        "Works now and next, but the server answers callers without a certificate too.",
    ),
    "anybody": (
        ACCEPTED,
        Seen("accepted_any_certificate"),
        OUT.WORKS,
        "Works now and next, but the server accepts any certificate.",
    ),
    "repaired": (EXPIRED, ACCEPTED, OUT.FIXED, "Does not work now, works next."),
    "only next answered": (
        UNREACHABLE,
        ACCEPTED,
        OUT.WORKS,
        "Works next. Nothing is proven of the active version: the server could not be reached.",
    ),
    "nothing active": (None, ACCEPTED, OUT.WORKS, "Works next."),
    "nothing active, refused": (
        None,
        EXPIRED,
        OUT.FAILS,
        "Would not work next. The server calls the next version expired.",
    ),
    "neither CA": (
        UNKNOWN,
        UNKNOWN,
        OUT.FAILS,
        "Works with neither version. The server does not know the CA of either version, or an intermediate is missing.",
    ),
    "the same no": (EXPIRED, EXPIRED, OUT.FAILS, "Works with neither version. The server calls both versions expired."),
    "another no": (
        EXPIRED,
        UNKNOWN,
        OUT.FAILS,
        (
            "Works with neither version. Now: The server calls the active version expired. Next: The server does not "
            "know the CA of the next version, or an intermediate is missing."
        ),
    ),
    "down": (UNREACHABLE, UNREACHABLE, OUT.UNPROVEN, "Nothing is proven: the server could not be reached. Test again."),
    "down for two reasons": (
        UNREACHABLE,
        Seen("network_error", "refused"),
        OUT.UNPROVEN,
        "Nothing is proven: the server could not be reached. Test again.",
    ),
    "down in two ways": (
        UNREACHABLE,
        DENIED,
        OUT.UNPROVEN,
        (
            "Nothing is proven. Now: the server could not be reached. Next: EGRESS_ALLOW does not allow the address, "
            "so no connection was made. Test again."
        ),
    ),
    "down just now": (
        ACCEPTED,
        UNREACHABLE,
        OUT.UNPROVEN,
        "Works now. Nothing is proven of the next version: the server could not be reached. Test again.",
    ),
    "refused, then down": (
        EXPIRED,
        UNREACHABLE,
        OUT.UNPROVEN,
        "Does not work now. Nothing is proven of the next version: the server could not be reached. Test again.",
    ),
    "down, then refused": (
        UNREACHABLE,
        UNKNOWN,
        OUT.REFUSED,
        (
            "Would not work next. The server does not know the CA of the next version, or an intermediate is missing. "
            "Nothing is proven of the active version: the server could not be reached."
        ),
    ),
    "never asked": (
        NEVER,
        NEVER,
        OUT.UNAFFECTED,
        "The server asks for no certificate, so the version makes no difference.",
    ),
    "asked only now": (
        ACCEPTED,
        NEVER,
        OUT.UNPROVEN,
        "Works now. Nothing is proven of the next version: the server did not ask for a certificate. Test again.",
    ),
    "asked only next": (
        NEVER,
        EXPIRED,
        OUT.REFUSED,
        (
            "Would not work next. The server calls the next version expired. Nothing is proven of the active version: "
            "the server did not ask for a certificate."
        ),
    ),
    "server untrusted": (
        ACCEPTED,
        Seen("server_untrusted", "x"),
        OUT.UNPROVEN,
        (
            "Works now. Nothing is proven of the next version: the server’s own certificate was not trusted, so ours "
            "was not shown to it. Test again."
        ),
    ),
    "by the application": (
        ACCEPTED,
        Seen("http_refused", "http_403"),
        OUT.BREAKS,
        (
            "Works now, would not work next. The server takes the next version in TLS, but its application refuses the "
            "caller: it may know the client by name or fingerprint."
        ),
    ),
    "waiting for next": (ACCEPTED, Seen(), OUT.WAITING, "Not finished yet."),
    "waiting for now": (Seen(), UNKNOWN, OUT.WAITING, "Not finished yet."),
    "worker died": (
        ACCEPTED,
        DIED,
        OUT.UNPROVEN,
        "Works now. Nothing is proven of the next version: the worker stopped in the middle of the test. Test again.",
    ),
    "worker died before": (
        DIED,
        ACCEPTED,
        OUT.WORKS,
        "Works next. Nothing is proven of the active version: the worker stopped in the middle of the test.",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_node(case: str) -> None:
    now, following, outcome, words = CASES[case]
    found = compare(now, following, new_ca=True)
    assert (found.outcome, found.text) == (outcome, words)


def test_a_new_ca_is_named_only_where_it_makes_the_difference() -> None:
    assert "does not trust the new CA yet" in compare(ACCEPTED, UNKNOWN, new_ca=True).text
    assert "new CA" not in compare(ACCEPTED, UNKNOWN, new_ca=False).text
    for now in (None, UNKNOWN, EXPIRED, UNREACHABLE, NEVER, DIED):
        assert "new CA" not in compare(now, UNKNOWN, new_ca=True).text, now


def test_every_pair_of_verdicts_has_words_and_only_acceptance_passes() -> None:
    seen = [Seen(verdict, reason) for verdict, reasons in REASONS.items() for reason in reasons]
    for now, following in product([None, DIED, *seen], [DIED, *seen]):
        found: Difference = compare(now, following, new_ca=True)
        assert found.text.endswith("."), found
        assert "{" not in found.text
        unaffected = following.verdict == Verdict.NOT_REQUESTED and (now is None or now.verdict == following.verdict)
        assert (found.outcome in PASSING) is (following.accepted or unaffected), (now, following)
        assert (found.outcome is OUT.BREAKS) is found.text.startswith("Works now, would not"), found


STANDINGS: list[tuple[list[Outcome], bool, str]] = [
    ([], True, "No service node presents this certificate, so nothing can break."),
    ([OUT.WORKS], True, "1 service node tested: none would fail with the next version."),
    (
        [OUT.WORKS, OUT.FIXED, OUT.UNAFFECTED],
        True,
        "3 service nodes tested: none would fail with the next version.",
    ),
    ([OUT.WORKS, OUT.WAITING], False, "1 of 2 service nodes tested."),
    ([OUT.OUTDATED, OUT.BREAKS, OUT.WAITING], False, "1 of 3 service nodes tested."),
    ([OUT.BREAKS], False, "1 service node would stop working."),
    ([OUT.UNPROVEN], False, "1 service node proved nothing."),
    (
        [OUT.WORKS, OUT.BREAKS],
        False,
        "Of 2 service nodes, 1 would stop working, 1 works with the next version.",
    ),
    (
        [*OUT, *OUT],
        False,
        "14 of 18 service nodes tested.",
    ),
    (
        [outcome for outcome in [*OUT, *OUT] if outcome is not OUT.WAITING],
        False,
        (
            "Of 16 service nodes, 2 would stop working, 2 would be refused, 2 would fail as before, 2 proved nothing, "
            "2 must be tested again, 2 would start working, 2 work with the next version, 2 are not affected."
        ),
    ),
]


@pytest.mark.parametrize(("outcomes", "green", "text"), STANDINGS)
def test_all_nodes(outcomes: list[Outcome], green: bool, text: str) -> None:
    found = standing(outcomes)
    assert (found.green, found.text) == (green, text)
