"""What was checked of each link of a chain, from a certificate to its issuer, and how it came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from certificates.pki.chain import has_signed
from certificates.pki.display import day
from certificates.pki.facts import extension_of
from certificates.pki.path_checks import issuer_problems, name_problems


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a link. `text` is a phrase that follows the label."""

    label: str
    ok: bool
    text: str


Link = tuple[Check, ...]


def check_links(chain: Sequence[bytes], *, now: datetime) -> tuple[Link, ...]:
    """The checks of each link of a chain in DER, leaf first: one link fewer than certificates.

    Raises ValueError where a certificate cannot be decoded.
    """
    path = [x509.load_der_x509_certificate(der) for der in chain]
    return tuple(tuple(_checks(path[: depth + 1], issuer, now)) for depth, issuer in enumerate(path[1:]))


def _checks(below: Sequence[x509.Certificate], issuer: x509.Certificate, now: datetime) -> Iterator[Check]:
    signed = has_signed(issuer, below[-1])
    yield Check("Signature", signed, "verifies with the issuer’s key" if signed else "does not verify")
    intermediates = [ca for ca in below[1:] if ca.subject != ca.issuer]
    yield _check("Issuer is a CA", issuer_problems(issuer, len(intermediates)), "and may issue client certificates")
    constrained = extension_of(issuer, x509.NameConstraints) is not None
    yield _check(
        "Names", name_problems(issuer, below), "permitted by its constraints" if constrained else "not constrained"
    )
    begin, end = issuer.not_valid_before_utc, issuer.not_valid_after_utc
    validity = (
        f"expired on {day(end)}" if now > end else f"begins on {day(begin)}" if now < begin else f"until {day(end)}"
    )
    yield Check("Issuer’s validity", begin <= now <= end, validity)


def _check(label: str, problems: Iterator[str], good: str) -> Check:
    found = list(problems)
    return Check(label, not found, "; ".join(found) or good)
