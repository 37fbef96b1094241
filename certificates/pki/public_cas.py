"""Organisations whose publicly trusted CAs end certificates with clientAuth.

Chrome's root programme asks for it: version 1.6 of its policy (2025) set 15 June 2026 for everything, version 1.8
(February 2026) kept that day for new issuing CAs and moved leaves to 15 March 2027. Each CA has its own last day:
Let's Encrypt July 2026, Sectigo February 2027, DigiCert 1 March 2027, as they had published by spring 2026.

Names are organisations as they stand in roots and issuing CAs, collected by hand, compared without regard to case and
punctuation. The same companies also run private CAs under these names, so a match is a hint, not proof.
"""

from __future__ import annotations

import re

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


def _comparable(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.casefold())


_COMPARABLE = frozenset(map(_comparable, _ORGANISATIONS))


def is_public_ca(organisation: str) -> bool:
    """True if the organisation of an issuer's name is one that runs publicly trusted TLS CAs."""
    return bool(organisation) and _comparable(organisation) in _COMPARABLE
