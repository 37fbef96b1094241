"""Which certificates lose clientAuth, or lack it already, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from certificates.pki.display import day, organisation
from certificates.pki.public_cas import Ending, ending_of, is_public_ca


class Standing(StrEnum):
    """Where a certificate stands, worst first."""

    LACKS = "lacks"  # servers that look at the purpose refuse it now
    RENEWAL_LACKS = "renewal_lacks"  # the next one comes back without
    ONE_MORE = "one_more"  # the next one may still have it, the one after will not


@dataclass(frozen=True, slots=True)
class Blip:
    """One certificate on the radar. `issuer` is the organisation of the public CA, empty for a private one."""

    standing: Standing
    issuer: str
    ending: Ending | None
    text: str
    advice: str


def public_issuer(issuers: Iterable[str]) -> str:
    """The first organisation among these RFC 4514 names that runs public CAs; empty without one."""
    return next((name for issuer in issuers if is_public_ca(name := organisation(issuer))), "")


def locate(*, lacks: bool, issuers: Iterable[str], not_after: datetime, now: datetime) -> Blip:
    """Judge a certificate that lacks clientAuth, or whose chain of `issuers` names a public CA."""
    issuer = public_issuer(issuers)
    ending = ending_of(issuer) if issuer else None
    if lacks:
        text = "It has no clientAuth: servers may refuse it today."
        return Blip(Standing.LACKS, issuer, ending, text, _instead(issuer))
    if ending is None:
        raise ValueError("nothing to say: it has clientAuth, and no public CA is in its chain")
    if now.date() >= ending.begins:
        text = f"The next renewal comes back without clientAuth: {ending.who} ended it ({ending.words})."
        return Blip(Standing.RENEWAL_LACKS, issuer, ending, text, _before(not_after))
    if not_after.date() >= ending.begins:
        text = f"A renewal from {ending.words} on comes back without clientAuth, and this one expires later."
        return Blip(Standing.RENEWAL_LACKS, issuer, ending, text, _before(not_after))
    text = f"Renewed in time it may have clientAuth once more; from {ending.words} on it will not."
    advice = "Renew it with the same CA, and use the time to move to a private CA."
    return Blip(Standing.ONE_MORE, issuer, ending, text, advice)


def _instead(issuer: str) -> str:
    if issuer:
        return "Replace it by one of a private CA: a public CA does not put clientAuth in any more, or soon will not."
    return "Ask its CA for a certificate with clientAuth."


def _before(not_after: datetime) -> str:
    return f"Move to a private CA before {day(not_after)}."
