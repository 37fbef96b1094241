"""Kinds of keys: a weak one of ours is presented all the same, and nothing weak of theirs is taken."""

from __future__ import annotations

import pytest

from servicenodes.tls.judgement import Reason, Verdict
from tests.servers import openssl_server, python_server
from tests.servicenodes.tls.world import probe, server_certificate, world

V = Verdict
R = Reason
OLD = ("-cipher", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_weak_key_of_ours_does_not_excuse_a_weak_key_of_theirs(tls: str) -> None:
    weak = world().issuing.issue("weak.example", key="rsa-1024").credential()
    certificate = server_certificate(world().server_root, key="rsa-1024")
    with openssl_server(certificate, client_ca=world().root, tls=tls, options=OLD) as peer:
        for control in (True, False):
            observation, judgement = probe(peer.url, weak, control=control, method="GET")
            assert (judgement.verdict, judgement.reason) == (V.SERVER_UNTRUSTED, "ee_certificate_key_too_weak")
            assert observation.real is None or observation.real.sent == "no"
    with openssl_server(world().server, client_ca=world().root, tls=tls, options=OLD) as peer:
        assert probe(peer.url, weak, method="GET")[1].verdict is V.ACCEPTED


@pytest.mark.parametrize(
    ("options", "verdict", "reason"),
    [
        ({"key": "rsa-1024"}, V.REJECTED, R.BAD_CERTIFICATE),
        ({"signature_hash": "sha1"}, V.REJECTED, R.BAD_CERTIFICATE),
        ({"key": "ed25519"}, V.ACCEPTED, R.PROVEN),
        ({"key": "ec-p384"}, V.ACCEPTED, R.PROVEN),
    ],
)
def test_other_keys_and_signatures(options: dict[str, str], verdict: V, reason: R) -> None:
    client = world().issuing.issue("other.example", **options)  # type: ignore[arg-type]
    with python_server(world().server, client_ca=world().root) as peer:
        _, judgement = probe(peer.url, client.credential())
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
