"""The matrix: real servers × TLS versions × client certificates. Our verdict against what the server recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from servicenodes.tls.judgement import Certainty, Reason, Verdict
from tests.servers import Peer, haproxy_server, nginx_server, openssl_server, python_server
from tests.servicenodes.tls.world import probe, world

V = Verdict
R = Reason
C = Certainty
SERVERS: dict[str, Callable[..., AbstractContextManager[Peer]]] = {
    "openssl": openssl_server,
    "nginx": nginx_server,
    "haproxy": haproxy_server,
    "python": python_server,
}

Row = tuple[V, R, C]
# What servers say that refuse in TLS with an alert of its own for each cause.
ALERTS: dict[str, Row] = {
    "good_rsa": (V.ACCEPTED, R.PROVEN, C.PROVEN),
    "good_p256": (V.ACCEPTED, R.PROVEN, C.PROVEN),
    "none": (V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.CERTAIN),
    "unknown_ca": (V.REJECTED, R.UNKNOWN_CA, C.CERTAIN),
    "self_signed": (V.REJECTED, R.UNKNOWN_CA, C.CERTAIN),
    "expired": (V.REJECTED, R.EXPIRED, C.CERTAIN),
    "not_yet_valid": (V.REJECTED, R.BAD_CERTIFICATE, C.CERTAIN),
    "revoked": (V.REJECTED, R.REVOKED, C.CERTAIN),
    "eku_server_only": (V.REJECTED, R.UNSUPPORTED_CERTIFICATE, C.CERTAIN),
    "may_not_sign": (V.REJECTED, R.UNSUPPORTED_CERTIFICATE, C.CERTAIN),
    "no_intermediate": (V.REJECTED, R.UNKNOWN_CA, C.CERTAIN),
}
# nginx completes the handshake with everybody, refuses in HTTP, and keeps the reason to itself.
NGINX: dict[str, Row] = {
    client: (V.REJECTED, R.CERTIFICATE_ERROR, C.CERTAIN) if row[0] is V.REJECTED else row
    for client, row in ALERTS.items()
}
# TLS 1.2 has no alert "certificate required", only the general handshake_failure.
TLS_1_2: dict[str, Row] = {**ALERTS, "none": (V.NO_CERTIFICATE, R.CERTIFICATE_REQUIRED, C.HIGH)}
EXPECTED: dict[tuple[str, str], dict[str, Row]] = {
    ("openssl", "1.2"): TLS_1_2,
    ("openssl", "1.3"): ALERTS,
    ("haproxy", "1.2"): TLS_1_2,
    ("haproxy", "1.3"): ALERTS,
    ("python", "1.2"): TLS_1_2,
    ("python", "1.3"): ALERTS,
    ("nginx", "1.2"): NGINX,
    ("nginx", "1.3"): NGINX,
}
# Findings that let a person see the cause even where the server keeps silent.
HINTS = {
    "expired": "expired",
    "not_yet_valid": "not_yet_valid",
    "eku_server_only": "client_auth_missing",
    "may_not_sign": "digital_signature_missing",
    "no_intermediate": "missing_intermediate",
    "unknown_ca": "issuer_not_listed",
    "self_signed": "self_signed_leaf",
}
CELLS = [(kind, tls, client) for (kind, tls), rows in EXPECTED.items() for client in rows]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Peer]:
    kind, tls = request.param
    with SERVERS[kind](world().server, client_ca=world().root, tls=tls, crl=world().crl) as peer:
        yield peer


@pytest.mark.peers
@pytest.mark.parametrize(
    ("server", "kind", "tls", "client"),
    [((kind, tls), kind, tls, client) for kind, tls, client in CELLS],
    indirect=["server"],
    ids=[f"{kind}-tls{tls}-{client}" for kind, tls, client in CELLS],
)
def test_cell(server: Peer, kind: str, tls: str, client: str) -> None:
    credential = world().clients[client]
    before = len(server.recorded())

    observation, judgement = probe(server.url, credential, method="GET")

    assert (judgement.verdict, judgement.reason, judgement.certainty) == EXPECTED[kind, tls][client], observation
    assert observation.real is not None
    assert observation.real.tls_version == f"TLSv{tls}"
    if client in HINTS and judgement.verdict is V.REJECTED:
        assert HINTS[client] in {finding.code for finding in judgement.findings} | _hintless(kind, client)
    new = server.recorded_after(before, wait_s=3.0 if judgement.accepted else 0.0)
    if judgement.accepted:
        assert len(new) == 1
        assert client.replace("_", "-") in new[0].subject
        assert new[0].chain_length in (2, None)
    else:
        assert new == []


def _hintless(kind: str, client: str) -> set[str]:
    """haproxy and Python send no list of acceptable CAs, so nothing can be compared with it."""
    return {"issuer_not_listed"} if client == "unknown_ca" and kind in {"haproxy", "python"} else set()


def test_the_whole_table_is_covered() -> None:
    assert {client for _, _, client in CELLS} == set(world().clients)
    assert len(CELLS) == len(SERVERS) * 2 * len(world().clients)


def test_signature_algorithms_and_cas_are_read() -> None:
    for tls in ("1.2", "1.3"):
        with openssl_server(world().server, client_ca=world().root, tls=tls) as peer:
            observation, _ = probe(peer.url, world().clients["good_p256"], method="GET")
            real: Any = observation.real
            assert "ecdsa_secp256r1_sha256" in real.signature_algorithms
            assert real.acceptable_cas == (world().root.certificate.subject.rfc4514_string(),)
