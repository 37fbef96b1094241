"""The wrong certificate is never presented: forty bots with a certificate each call one backend from 64 threads, while
versions are promoted. The backend tells in each answer, and logs, which certificate the request came with."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from django.db import connection
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from certificates.models import ClientCertificate, TrustStore, VersionStatus
from certificates.services.rotation import promote
from servicenodes import counters
from servicenodes.models import ServiceNode
from servicenodes.services import invoking
from servicenodes.services.invoking import invoke_node
from tests.factories import add_version, make_bot, make_certificate, make_node, make_trust_store
from tests.pki import CA
from tests.servers import Peer, nginx_server

BOTS, VERSIONS, THREADS, CALLS = 40, 4, 64, 10_000
ACTOR = Actor.platform()


@dataclass
class Proof:
    """What was called, and with which certificate it arrived, by common name."""

    nodes: list[ServiceNode]
    promoted: list[int] = field(default_factory=lambda: [1] * BOTS)  # the version that counts, by bot
    made: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, bot: int) -> None:
        least = self.promoted[bot]
        outcome = invoke_node(actor=ACTOR, node=self.nodes[bot])
        seen, told = common_name(outcome.body.decode()), outcome.version or 0
        with self.lock:
            self.made[seen] += 1
            if outcome.status != 200 or seen != f"bot-{bot}.v{told}" or told < least:
                self.wrong.append(f"bot {bot}, at least version {least}: told {told}, presented {seen}")

    def promote(self, bot: int) -> None:
        certificate = ClientCertificate.objects.get(bot=self.nodes[bot].bot)
        promote(actor=ACTOR, certificate=certificate, number=self.promoted[bot] + 1)
        self.promoted[bot] += 1


def common_name(subject: str) -> str:
    return subject.partition("CN=")[2].partition(",")[0]


def bot_node(number: int, authority: CA, store: TrustStore, url: str) -> ServiceNode:
    """The node of a bot whose certificate has a version in use and others that wait."""
    bot = make_bot(f"bot-{number}")
    certificate = make_certificate(bot, "bank", issued=authority.issue(f"{bot.slug}.v1"), is_default=True)
    for version in range(2, VERSIONS + 1):
        issued = authority.issue(f"{bot.slug}.v{version}")
        add_version(certificate, issued, number=version, status=VersionStatus.RETIRED)
    return make_node(bot, "call", url=url, trust_store=store, timeout_s=30)


def work(proof: Proof, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(CALLS // THREADS + (seed < CALLS % THREADS)):
        proof.call(chance.randrange(BOTS))
        if connection.vendor == "postgresql":
            connection.close()  # there are more threads than the pool has connections
    connection.close()


def run(proof: Proof) -> None:
    """All calls, and promotions of one bot after the other until the calls are done."""
    over = threading.Event()

    def keep_promoting() -> None:
        for bot in [bot for _ in range(VERSIONS - 1) for bot in range(BOTS)]:
            if over.wait(0.02):
                break
            proof.promote(bot)
        connection.close()

    promoting = threading.Thread(target=keep_promoting)
    promoting.start()
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            for done in [threads.submit(work, proof, seed) for seed in range(THREADS)]:
                done.result()  # a call that failed is raised here
    finally:
        over.set()
        promoting.join()


@pytest.mark.peers
@pytest.mark.django_db(transaction=True)
def test_ten_thousand_calls_present_no_wrong_certificate(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    authority, server_authority = CA.root("Bank client CA"), CA.root("Bank server CA")
    server = server_authority.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with nginx_server(server, client_ca=authority, body="$ssl_client_s_dn") as peer:
        store = make_trust_store(None, authorities=(server_authority,))
        proof = Proof([bot_node(number, authority, store, peer.url) for number in range(BOTS)])
        try:
            run(proof)
        finally:
            invoking.close()
        _judge(proof, peer)


def _judge(proof: Proof, peer: Peer) -> None:
    assert proof.wrong == []
    assert proof.made.total() == CALLS
    peer.recorded_after(CALLS - 1)
    assert Counter(common_name(seen.subject) for seen in peer.recorded()) == proof.made
    assert sum(proof.promoted) > BOTS + BOTS / 8, "versions were promoted meanwhile"
    opened = Counter(AuditEvent.objects.filter(action="key.opened").values_list("object_name", "facts__version"))
    assert set(opened.values()) == {1}, "a version is opened once per process"
    counters.flush()
    traffic = counters.traffic_of_nodes(proof.nodes).values()
    assert sum(one.answered for one in traffic) == sum(one.total for one in traffic) == CALLS
