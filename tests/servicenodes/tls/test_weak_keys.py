"""A weak key of ours is presented all the same, so that the server's word is heard; nothing weak of theirs is taken."""

from __future__ import annotations

import pytest

from servicenodes.tls.judgement import Verdict
from tests.servers import openssl_server
from tests.servicenodes.tls.world import probe, server_certificate, world

V = Verdict
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
