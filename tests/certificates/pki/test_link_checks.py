"""What is said of each link of a chain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.pki.link_checks import Link, check_links
from tests.pki import CA, Issued

NOW = datetime.now(UTC)


def links_of(issued: Issued, now: datetime = NOW) -> tuple[Link, ...]:
    path = [issued.certificate, *issued.chain, *([issued.root] if issued.root else [])]
    return check_links([one.public_bytes(Encoding.DER) for one in path], now=now)


def failed(links: tuple[Link, ...]) -> list[tuple[int, str, str]]:
    return [(place, check.label, check.text) for place, link in enumerate(links) for check in link if not check.ok]


def test_each_link_says_what_was_checked() -> None:
    links = links_of(CA.root().intermediate().issue())
    assert failed(links) == []
    assert [[check.label for check in link] for link in links] == [
        ["Signature", "Issuer is a CA", "Names", "Issuer’s validity"]
    ] * 2


def test_the_fault_stands_at_its_link() -> None:
    impostor = CA.root("Test root")
    real = CA.root("Test root").intermediate().issue()
    ((place, label, text),) = failed(
        links_of(Issued(real.certificate, real.private_key, real.chain, impostor.certificate))
    )
    assert (place, label, text) == (1, "Signature", "does not verify")

    no_ca = CA.root().intermediate("No CA", is_ca=False).issue()
    assert [(place, label) for place, label, _ in failed(links_of(no_ca))] == [(0, "Issuer is a CA")]

    narrow = x509.NameConstraints([x509.DNSName("bank.example")], None)
    outside = CA.root().intermediate(extensions=[(narrow, True)]).issue("bot", san=("bot.example",))
    ((place, label, text),) = failed(links_of(outside))
    assert (place, label, "bot.example" in text) == (0, "Names", True)

    later = failed(links_of(CA.root().intermediate().issue(), NOW + timedelta(days=365 * 30)))
    assert {label for _, label, _ in later} == {"Issuer’s validity"}
