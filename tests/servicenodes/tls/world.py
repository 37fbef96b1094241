"""The certificates and shorthands that the tests of the TLS engine share. Made once per process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from certificates.pki.credential import Credential
from servicenodes.tls.address_policy import AddressPolicy
from servicenodes.tls.judgement import Judgement
from servicenodes.tls.observation import Observation
from servicenodes.tls.probe import ProbeRequest, run_probe
from servicenodes.tls.trust import TrustAnchors
from servicenodes.tls.verdict import decide
from tests.pki import CA, Issued, may_not_sign, self_signed

LOOPBACK = AddressPolicy.parse(["127.0.0.0/8", "::1"])


@dataclass(frozen=True)
class World:
    """One client PKI (root, intermediate, CRLs), one server PKI, and the clients of the matrix."""

    root: CA
    issuing: CA
    server_root: CA
    server: Issued
    clients: dict[str, Credential | None]
    crl: bytes

    @property
    def trust(self) -> TrustAnchors:
        return TrustAnchors.of((self.server_root.certificate,), "test")


@cache
def world() -> World:
    root = CA.root("Client root")
    issuing = root.intermediate("Client issuing CA")
    server_root = CA.root("Server root")
    revoked = issuing.issue("revoked.example")
    clients = {
        "good_rsa": issuing.issue("good-rsa.example", key="rsa-2048").credential(),
        "good_p256": issuing.issue("good-p256.example").credential(),
        "none": None,
        "unknown_ca": CA.root("Stranger").issue("stranger.example").credential(),
        "self_signed": self_signed().credential(),
        "expired": issuing.expired().credential(),
        "not_yet_valid": issuing.not_yet_valid().credential(),
        "revoked": revoked.credential(),
        "eku_server_only": issuing.issue("server-only.example", eku=("serverAuth",)).credential(),
        "may_not_sign": issuing.issue("may-not-sign.example", key="rsa-2048", key_usage=may_not_sign()).credential(),
        "no_intermediate": issuing.issue("orphan.example").credential(with_chain=False),
    }
    return World(
        root=root,
        issuing=issuing,
        server_root=server_root,
        server=server_certificate(server_root),
        clients=clients,
        crl=issuing.crl_pem([revoked]) + root.crl_pem(),
    )


def server_certificate(ca: CA, **overrides: Any) -> Issued:
    """For localhost and 127.0.0.1."""
    overrides = {"eku": ("serverAuth",), "san": ("localhost", "127.0.0.1"), **overrides}
    return ca.issue("localhost", **overrides)


def probe(url: str, credential: Credential | None = None, **options: Any) -> tuple[Observation, Judgement]:
    """Run a probe against a loopback peer, and judge it."""
    options = {"trust": world().trust, "address_policy": LOOPBACK, "timeout_s": 5.0, **options}
    hooks = {name: options.pop(name) for name in ("on_step", "resolver") if name in options}
    observation = run_probe(ProbeRequest(url=url, credential=credential, **options), **hooks)
    return observation, decide(observation, now=datetime.now(UTC))
