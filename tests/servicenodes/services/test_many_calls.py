"""Many bots, many threads, versions promoted meanwhile: never a wrong certificate, and no call fails for it."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from botplatform.accounts.actors import Actor
from certificates.services.importing import import_certificate
from servicenodes import counters
from servicenodes.models import ServiceNode
from servicenodes.services.invoking import invoke_node
from tests.factories import make_bot, make_certificate, make_node, make_trust_store, upload
from tests.servicenodes.services.calls import Bank

BOTS, THREADS, CALLS = 6, 12, 480


@pytest.mark.django_db(transaction=True)
def test_every_call_presents_the_certificate_of_its_bot(bank: Bank) -> None:
    actor = Actor.platform()
    store = make_trust_store(None, authorities=(bank.server_authority,))
    nodes: list[ServiceNode] = []
    for number in range(BOTS):
        bot = make_bot(f"bot-of-{number}")
        issued = bank.authority.issue(f"{bot.slug}.v1")
        make_certificate(bot, "bank", issued=issued, is_default=True)
        nodes.append(make_node(bot, "call", url=bank.peer.url, trust_store=store, timeout_s=20))
    promoted = dict.fromkeys((node.pk for node in nodes), 1)
    stop = threading.Event()

    def promote() -> None:
        number = 2
        while not stop.is_set():
            for node in nodes:
                issued = bank.authority.issue(f"{node.bot.slug}.v{number}")
                import_certificate(actor=actor, owner=node.bot, name="bank", files=upload(issued), passphrase=None)
                promoted[node.pk] = number
            number += 1
        connection.close()

    def work(seed: int) -> list[str]:
        chance, wrong = random.Random(seed), []
        for _ in range(CALLS // THREADS):
            node = chance.choice(nodes)
            least = promoted[node.pk]
            outcome = invoke_node(actor=actor, node=node)
            client = json.loads(outcome.body)["client"]
            if client != f"{node.bot.slug}.v{outcome.version}" or (outcome.version or 0) < least:
                wrong.append(f"{node.path}: at least {least}, told {outcome.version}, presented {client}")
        connection.close()
        return wrong

    promoter = threading.Thread(target=promote)
    promoter.start()
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            wrong = [text for texts in pool.map(work, range(THREADS)) for text in texts]
    finally:
        stop.set()
        promoter.join()
    assert wrong == []
    counters.flush()
    assert sum(traffic.calls for traffic in counters.traffic_of_nodes(nodes).values()) == CALLS
    assert all(set(traffic.outcomes) == {"answered"} for traffic in counters.traffic_of_nodes(nodes).values())
