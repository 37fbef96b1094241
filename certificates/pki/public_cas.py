"""Organisations whose publicly trusted CAs end certificates with clientAuth, and when: facts with their sources.

Chrome's root programme asks for it, and each CA has a last day of its own. Both moved their days, so sources differ;
`SOURCES` holds what was published when, and `ending_of` the latest that is known here.

Names are organisations as they stand in roots and issuing CAs, collected by hand, compared without regard to case and
punctuation. The same companies also run private CAs under these names, so a match is a hint, not proof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_ORGANISATIONS = (
    "Actalis S.p.A.",
    "Amazon",
    "Asseco Data Systems S.A.",
    "Baltimore",
    "Buypass AS-983163327",
    "Certainly",
    "Certum",
    "COMODO CA Limited",
    "D-Trust GmbH",
    "DigiCert Inc",
    "DigiCert, Inc.",
    "Entrust, Inc.",
    "Entrust Limited",
    "GlobalSign",
    "GlobalSign nv-sa",
    "GoDaddy.com, Inc.",
    "Google Trust Services",
    "Google Trust Services LLC",
    "HARICA",
    "Hellenic Academic and Research Institutions CA",
    "IdenTrust",
    "Internet Security Research Group",
    "Let's Encrypt",
    "Microsoft Corporation",
    "QuoVadis Limited",
    "Sectigo Limited",
    "SSL Corporation",
    "SSL Corp",
    "Starfield Technologies, Inc.",
    "SwissSign AG",
    "T-Systems International GmbH",
    "Telia Finland Oyj",
    "The USERTRUST Network",
    "Thawte, Inc.",
    "Trustwave Holdings, Inc.",
    "Unizeto Technologies S.A.",
    "VeriSign, Inc.",
    "ZeroSSL",
)


@dataclass(frozen=True, slots=True)
class Source:
    """What one document said, and when it was read or published: dates of others move, so they are never ours."""

    who: str
    document: str
    says: str
    dated: str


@dataclass(frozen=True, slots=True)
class Ending:
    """From when on certificates of a public CA come without clientAuth. `begins` is exact only as far as `words`."""

    who: str
    begins: date
    words: str


READ = "as read in spring 2026"
SOURCES = (
    Source("Google Chrome", "Chrome Root Program Policy, version 1.6", "15 June 2026, for everything", "2025"),
    Source(
        "Google Chrome",
        "Chrome Root Program Policy, version 1.8",
        "15 June 2026 for new issuing CAs, 15 March 2027 for leaf certificates",
        "February 2026",
    ),
    Source(
        "Let’s Encrypt",
        "Ending TLS Client Authentication Certificate Support in 2026 (blog)",
        "left out by default from 11 February 2026, not to be had any more from 13 May 2026",
        "May 2025",
    ),
    Source("Let’s Encrypt", "its later notices", "July 2026", READ),
    Source(
        "DigiCert",
        "Sunsetting the client authentication EKU (knowledge base)",
        "left out by default from 1 October 2025, not to be had any more from 1 May 2026",
        "2025",
    ),
    Source("DigiCert", "its later notices", "1 March 2027", READ),
    Source("Sectigo", "its notices", "February 2027", READ),
)
_CHROME = Ending("Google Chrome", date(2027, 3, 15), "15 March 2027")
_LETS_ENCRYPT = Ending("Let’s Encrypt", date(2026, 7, 1), "July 2026")
_DIGICERT = Ending("DigiCert", date(2027, 3, 1), "1 March 2027")
_SECTIGO = Ending("Sectigo", date(2027, 2, 1), "February 2027")


def _comparable(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.casefold())


# With the brands and former names that stand in their roots.
_ENDINGS = {
    _comparable(name): ending
    for ending, names in (
        (_LETS_ENCRYPT, ("Let's Encrypt", "Internet Security Research Group")),
        (_DIGICERT, ("DigiCert Inc", "Baltimore", "QuoVadis Limited", "Thawte, Inc.", "VeriSign, Inc.")),
        (_SECTIGO, ("Sectigo Limited", "COMODO CA Limited", "The USERTRUST Network", "ZeroSSL")),
    )
    for name in names
}

_COMPARABLE = frozenset(map(_comparable, _ORGANISATIONS))


def is_public_ca(organisation: str) -> bool:
    """True if the organisation of an issuer's name is one that runs publicly trusted TLS CAs."""
    return bool(organisation) and _comparable(organisation) in _COMPARABLE


def ending_of(organisation: str) -> Ending:
    """The latest day known of this public CA; of one that published none, the day of Chrome's policy."""
    return _ENDINGS.get(_comparable(organisation), _CHROME)
