"""The five faces of the demo bank: five servers that treat the same client certificate in five ways."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from demo.certificates import Material


@dataclass(frozen=True, slots=True)
class Face:
    """One server. `slug` and `title` name the service node that calls it; `verdict` is what a test must say."""

    slug: str
    title: str
    path: str
    verdict: str
    answer: dict[str, object]
    asks: ssl.VerifyMode = ssl.CERT_REQUIRED
    trusts_other_ca: bool = False
    expired: bool = False


FACES = (
    Face(
        slug="balance",
        title="1 Balance: the bank accepts us",
        path="/accounts/balance",
        verdict="accepted",
        answer={"account": "DE02 1203 0000 0000 2020 51", "balance": "1204.50", "currency": "EUR"},
    ),
    Face(
        slug="transfers",
        title="2 Transfers: the bank does not trust our CA",
        path="/transfers",
        verdict="rejected",
        answer={"transfers": []},
        trusts_other_ca=True,
    ),
    Face(
        slug="cards",
        title="3 Cards: the bank’s own certificate has expired",
        path="/cards",
        verdict="server_untrusted",
        answer={"cards": [{"ends_with": "4242", "state": "active"}]},
        expired=True,
    ),
    Face(
        slug="branches",
        title="4 Branches: the bank never asks for a certificate",
        path="/branches",
        verdict="not_requested",
        answer={"branches": [{"city": "Hamburg", "open": True}]},
        asks=ssl.CERT_NONE,
    ),
    Face(
        slug="rates",
        title="5 Rates: the bank asks but does not insist",
        path="/rates",
        verdict="accepted_not_enforced",
        answer={"rates": {"EUR/USD": "1.09"}},
        asks=ssl.CERT_OPTIONAL,
    ),
)


def server_context(face: Face, material: Material) -> ssl.SSLContext:
    """What this face presents and insists on. TLS 1.2 and 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(material.expired_server if face.expired else material.server)
    context.verify_mode = face.asks
    if face.asks is not ssl.CERT_NONE:
        context.load_verify_locations(material.other_ca if face.trusts_other_ca else material.bank_ca)
    return context
