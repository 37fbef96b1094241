"""What a certificate changes against the one whose place it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509

from certificates.pki import display
from certificates.pki.facts import facts_of
from certificates.pki.inspection import CertificateFacts
from certificates.pki.succession import changes, changes_of_request
from tests.pki import CA, Issued

CA_ = CA.root()
NOW = datetime.now(UTC)


def facts(issued: Issued) -> CertificateFacts:
    return facts_of(x509.load_der_x509_certificate(issued.der), "a file")


def codes(before: CertificateFacts, after: CertificateFacts, now: datetime = NOW) -> dict[str, str]:
    return {found.code: found.text for found in changes(before, after, number=3, now=now)}


def test_a_renewal_that_keeps_the_names_and_lasts_longer_changes_nothing() -> None:
    before = facts(CA_.issue("api.example", not_after=NOW + timedelta(days=30), san=("api.example",)))
    after = facts(CA_.issue("api.example", not_after=NOW + timedelta(days=90), san=("new.example", "api.example")))
    assert codes(before, after) == {}
    assert codes(after, after) == {}


def test_what_is_told() -> None:
    names = tuple(f"n{number}.example" for number in range(7))
    before = facts(CA_.issue("api.example", not_after=NOW + timedelta(days=90), san=names))
    after = facts(CA_.issue("other.example", not_after=NOW + timedelta(days=30)))
    told = codes(before, after)
    assert list(told) == ["subject_changed", "names_missing", "expires_earlier"]
    assert (
        "CN=other.example,O=Console tests”, that of version 3 is “CN=api.example,O=Console tests”"
        in told["subject_changed"]
    )
    assert told["names_missing"].endswith("n4.example and 2 more.")
    assert display.day(before.not_after) in told["expires_earlier"]


def test_after_the_end_of_the_one_before_nothing_expires_earlier() -> None:
    before, after = (
        facts(CA_.issue("api.example", not_after=NOW + timedelta(days=90))),
        facts(CA_.issue("api.example", not_after=NOW + timedelta(days=30))),
    )
    assert codes(before, after, NOW + timedelta(days=91)) == {}


def test_what_a_ca_makes_of_a_first_request() -> None:
    made = facts(CA_.issue("first.example"))
    assert changes_of_request("CN=first.example,O=Console tests", made) == ()
    (found,) = changes_of_request("CN=first.example,O=Acme", made)
    assert found.code == "subject_changed"
    assert found.text.endswith("“CN=first.example,O=Console tests”, the request asked for “CN=first.example,O=Acme”.")
