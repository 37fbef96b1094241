"""Summary and advice say what was seen, and nothing that it contradicts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from servicenodes.errors import REFUSALS
from servicenodes.tls import advice
from servicenodes.tls.judgement import Certainty, Reason, Verdict
from servicenodes.tls.observation import Attempt, Observation
from servicenodes.tls.verdict import decide
from tests.pki import CA
from tests.servers import Peer, free_port, need, nginx_server, python_server, wait_until_listening
from tests.servicenodes.tls.test_verdict import (
    CLOSED,
    EMPTY,
    NOW,
    PAGE_NONE,
    SILENT,
    alerted,
    attempt,
    control,
    refused_control,
    seen,
    untrusted,
)
from tests.servicenodes.tls.world import probe, world

V, R, C = Verdict, Reason, Certainty
LISTED = {"acceptable_cas": ("CN=Bank root",)}


def presented(name: str) -> dict[str, Any]:
    client = world().clients[name]
    assert client is not None
    return {"presented": (client.leaf, *client.chain)}


def told(observation: Observation) -> tuple[str, ...]:
    return decide(observation, now=NOW).advice


@contextmanager
def mute_server(folder: Path, tls: str) -> Iterator[Peer]:
    """`s_server` that insists on a certificate, takes it, and waits for somebody to type the answer."""
    (folder / "server.pem").write_bytes(world().server.chain_pem + world().server.key_pem)
    (folder / "ca.pem").write_bytes(world().root.pem)
    port = free_port()
    command = [need("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", f"-tls{tls.replace('.', '_')}"]
    command += ["-cert", str(folder / "server.pem"), "-key", str(folder / "server.pem")]
    command += ["-CAfile", str(folder / "ca.pem"), "-Verify", "5", "-verify_return_error"]
    log = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as server:
        try:
            wait_until_listening(port, server)
            yield Peer(port)
        finally:
            server.terminate()


@pytest.mark.peers
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_server_that_takes_the_certificate_and_then_says_nothing(tmp_path: Path, tls: str) -> None:
    with mute_server(tmp_path, tls) as peer:
        _, judgement = probe(peer.url, world().clients["good_p256"], timeout_s=2.5)
        assert (judgement.verdict, judgement.reason, judgement.certainty) == (V.INCONCLUSIVE, R.SILENCE, C.LOW)
        assert "refused a caller without the certificate, and not with it" in judgement.summary
        assert "HTTP" in judgement.advice[0]
        assert probe(peer.url, world().clients["unknown_ca"], timeout_s=2.5)[1].verdict is V.REJECTED


@pytest.mark.parametrize("refused", [refused_control(), control(http=PAGE_NONE)])
def test_silence_after_a_refusal_without_the_certificate(refused: Attempt) -> None:
    judgement = decide(seen(attempt(**SILENT), control=refused), now=NOW)
    assert "only the HTTP answer is missing" in judgement.summary
    assert "timeout" not in judgement.advice[0]


@pytest.mark.parametrize("without", [None, control(), control(**SILENT), control(**CLOSED)])
def test_silence_of_a_server_that_never_said_no(without: Attempt | None) -> None:
    judgement = decide(seen(attempt(**SILENT), control=without), now=NOW)
    assert "said nothing until the time was up" in judgement.summary
    stuck = decide(seen(attempt(**SILENT, handshake_completed=False), control=refused_control()), now=NOW)
    assert stuck.summary == judgement.summary  # it never got past the certificate


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_server_that_takes_the_certificate_and_then_closes(tls: str) -> None:
    """Python's `ssl` verifies and records the certificate; what runs behind it closes at once."""
    with python_server(world().server, client_ca=world().root, tls=tls, behaviour=lambda connection: None) as peer:
        _, judgement = probe(peer.url, world().clients["good_p256"])
        assert "good-p256" in peer.recorded()[0].subject
    assert (judgement.verdict, judgement.reason) == (V.REJECTED, R.SILENT_CLOSE)
    assert judgement.certainty in (C.MEDIUM, C.LOW)
    assert "may well have accepted this one" in judgement.summary


def test_silent_close_speaks_of_acceptance_only_where_others_are_told_no() -> None:
    for facts in ({}, {"request_sent": False}):
        judgement = decide(seen(attempt(**CLOSED, **facts), control=refused_control()), now=NOW)
        assert "may well have accepted" in judgement.summary
        assert not judgement.summary.startswith("Probably")
        for without in (control(), control(**CLOSED), None):
            judgement = decide(seen(attempt(**CLOSED, **facts), control=without), now=NOW)
            assert "may well have accepted" not in judgement.summary
    broken = attempt(**CLOSED, request_sent=False, handshake_completed=False)
    judgement = decide(seen(broken, control=refused_control()), now=NOW)
    assert judgement.certainty is C.MEDIUM
    assert "may well have accepted" not in judgement.summary  # the handshake says otherwise


def test_advice_about_intermediates_and_lists() -> None:
    alone = told(seen(alerted(48), **presented("no_intermediate")))
    assert advice.ADD_INTERMEDIATES in alone
    assert not {advice.INTERMEDIATES_SENT, advice.COMPARE_ISSUER, advice.SELF_SIGNED} & set(alone)
    chained = told(seen(alerted(48, **LISTED), **presented("good_p256")))
    assert {advice.INTERMEDIATES_SENT, advice.COMPARE_ISSUER} <= set(chained)
    assert advice.ADD_INTERMEDIATES not in chained
    own = told(seen(alerted(48), **presented("self_signed")))
    assert advice.SELF_SIGNED in own
    assert advice.ADD_INTERMEDIATES not in own
    for facts, compared in (({}, False), (LISTED, True)):
        without = told(seen(alerted(116, **EMPTY, **facts), credential=False))
        assert (advice.COMPARE_ISSUER in without) is compared


def test_advice_follows_the_findings() -> None:
    assert advice.STILL_VALID in told(seen(alerted(45)))
    assert advice.RENEW not in told(seen(alerted(45)))
    assert told(seen(alerted(45), **presented("expired"))) == (advice.RENEW,)
    assert advice.NEEDS_CLIENT_AUTH not in told(seen(alerted(43)))
    assert advice.NEEDS_CLIENT_AUTH in told(seen(alerted(43), **presented("eku_server_only")))
    assert advice.NEEDS_SIGNING not in told(seen(alerted(43), **presented("eku_server_only")))
    assert advice.NEEDS_SIGNING in told(seen(alerted(43), **presented("may_not_sign")))
    for code in (42, 46):
        texts = told(seen(alerted(code)))
        assert advice.NOTHING_FOUND in texts
        assert not {advice.CHECK_FINDINGS, advice.CHECK_BAD} & set(texts)
        assert advice.NOTHING_FOUND not in told(seen(alerted(code), **presented("not_yet_valid")))


def test_another_ca_is_advised_only_where_it_helps() -> None:
    assert advice.IMPORT_CA in told(seen(control=untrusted("unable_to_get_local_issuer_certificate")))
    assert advice.SERVER_INTERMEDIATES not in told(seen(control=untrusted("self_signed_certificate")))
    (only,) = told(seen(control=untrusted("certificate_is_not_yet_valid")))
    assert "certificate is not yet valid" in only


def test_a_certificate_that_could_not_be_opened_needs_no_stronger_key() -> None:
    unusable = seen(unusable="It has no active version.", unusable_reason="no_active_version", credential=False)
    assert told(unusable) == REFUSALS["no_active_version"]
    assert told(seen(unusable="The TLS engine does not take it.")) == (advice.STRONGER,)


@pytest.mark.peers
def test_advice_at_servers_with_and_without_a_list() -> None:
    """Python's `ssl` lists no CA, nginx does; the stranger presents no intermediate, the orphan lacks one."""
    with python_server(world().server, client_ca=world().root) as peer:
        for client in ("unknown_ca", "no_intermediate"):
            _, judgement = probe(peer.url, world().clients[client])
            assert advice.COMPARE_ISSUER not in judgement.advice
            assert advice.ADD_INTERMEDIATES in judgement.advice
        assert advice.COMPARE_ISSUER not in probe(peer.url)[1].advice
    with nginx_server(world().server, client_ca=world().root) as peer:
        assert advice.COMPARE_ISSUER in probe(peer.url, method="GET")[1].advice
    other = CA.root("Another root")
    with python_server(world().server, client_ca=other) as peer:
        _, judgement = probe(peer.url, world().clients["good_p256"])
        assert advice.INTERMEDIATES_SENT in judgement.advice
        assert advice.ADD_INTERMEDIATES not in judgement.advice


def test_an_unknown_ca_does_not_hide_that_ours_is_outside_its_validity() -> None:
    for name, words, text in (
        ("expired", "expired on", advice.RENEW),
        ("not_yet_valid", "not valid before", advice.NOT_VALID_YET),
    ):
        judgement = decide(seen(alerted(48), **presented(name)), now=NOW)
        assert judgement.reason == Reason.UNKNOWN_CA
        assert words in judgement.summary
        assert judgement.advice[0] == text
    good = decide(seen(alerted(48)), now=NOW)
    assert not {advice.RENEW, advice.NOT_VALID_YET} & set(good.advice)
