"""The wrong certificate is never presented: forty bots with a certificate each call one backend from 64 threads, while
new versions are promoted. The backend tells, and logs, which certificate each request came with."""

from __future__ import annotations

import contextlib
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from certificates.pki.credential import Credential
from servicenodes.tls.invoke import Caller
from tests.servers import Peer, nginx_server
from tests.servicenodes.tls.calls import call_request
from tests.servicenodes.tls.world import world

BOTS, THREADS = 40, 64
PROMOTION_S = 0.02
LIMIT_S = 60.0
Version = tuple[int, int]


class Fleet:
    """Bots, and the version of its certificate that each presents now."""

    def __init__(self) -> None:
        self.credentials: dict[Version, Credential] = {}
        self.current: dict[int, Version] = {}
        self.opened: Counter[Version] = Counter()
        self.made: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        for bot in range(BOTS):
            self.promote(bot)

    def promote(self, bot: int) -> None:
        """Give the bot a new version. From the next line on it is the one that counts."""
        version = (bot, self.current.get(bot, (bot, 0))[1] + 1)
        self.credentials[version] = world().issuing.issue(name(version)).credential()
        self.current[bot] = version

    def call(self, caller: Caller, url: str, bot: int) -> None:
        """Call with the version of this moment, and compare it with what the backend saw."""
        version = self.current[bot]

        def open_credential() -> Credential:
            with self._lock:
                self.opened[version] += 1
            return self.credentials[version]

        request = call_request(url, credential_key=version, credential_line=bot, timeout_s=20.0)
        result = caller.call(request, open_credential=open_credential)
        seen = result.body.decode()
        with self._lock:
            self.made[name(version)] += 1
            if result.status != 200 or not result.certificate_sent or common_name(seen) != name(version):
                self.wrong.append(f"{name(version)}: {result.status} {seen}")


def name(version: Version) -> str:
    return f"bot-{version[0]}-v{version[1]}.example"


def common_name(subject: str) -> str:
    found = re.search(r"CN=([^,]*)", subject)
    return found[1] if found else subject


@pytest.mark.peers
@pytest.mark.parametrize("calls", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_call_presents_a_certificate_of_another_bot_or_version(calls: int) -> None:
    fleet, over = Fleet(), threading.Event()

    def promote() -> None:
        choice = random.Random(7)
        while not over.wait(PROMOTION_S):
            fleet.promote(choice.randrange(BOTS))

    def work(peer: Peer, caller: Caller, seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(calls // THREADS + (seed < calls % THREADS)):
            fleet.call(caller, peer.url, choice.randrange(BOTS))

    body = "$ssl_client_s_dn"
    with (
        nginx_server(world().server, client_ca=world().root, body=body) as peer,
        contextlib.closing(Caller()) as caller,
    ):
        promoting = threading.Thread(target=promote)
        promoting.start()
        started = time.monotonic()
        try:
            with ThreadPoolExecutor(THREADS) as threads:
                for done in [threads.submit(work, peer, caller, seed) for seed in range(THREADS)]:
                    done.result()  # a call that failed is raised here
        finally:
            over.set()
            promoting.join()
        took = time.monotonic() - started
        peer.recorded_after(calls - 1)
        recorded = Counter(common_name(seen.subject) for seen in peer.recorded())
    _judge(fleet, recorded, calls, took)


def _judge(fleet: Fleet, recorded: Counter[str], calls: int, took: float) -> None:
    assert fleet.wrong == []
    assert fleet.made.total() == calls
    assert recorded == fleet.made
    promotions = len(fleet.credentials) - BOTS
    assert promotions > BOTS / 8
    assert set(fleet.opened.values()) == {1}, "a version is opened once per process"
    assert took < LIMIT_S
