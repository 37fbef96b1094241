"""What is said about anchors that will hardly serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from certificates.pki import display
from certificates.pki.anchors import anchor_warnings
from certificates.pki.facts import facts_of
from tests.pki import CA


def test_a_leaf_and_an_authority_that_has_expired() -> None:
    root = CA.root("Bank root")
    issuing, leaf = root.intermediate("Issuing"), root.issue("bot.example")
    anchors = [facts_of(found, "file") for found in (root.certificate, issuing.certificate, leaf.certificate)]

    now = datetime.now(UTC)
    assert anchor_warnings(anchors, now=now) == (
        "“bot.example” is not a CA: it verifies only a server that presents this very certificate.",
    )
    later = anchors[0].not_after + timedelta(seconds=1)
    assert f"“Bank root” has expired on {display.day(anchors[0].not_after)}." in anchor_warnings(anchors, now=later)
