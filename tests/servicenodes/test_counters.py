"""Counters of calls: gathered in the process, written in batches by several processes and threads at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from botplatform.bots.models import Bot
from servicenodes import counters
from servicenodes.counter_models import CallCounter, CallCounterQuerySet
from servicenodes.counters import ANSWERED, REFUSED, count, flush, traffic_of_nodes, traffic_of_versions
from servicenodes.models import ServiceNode
from tests.factories import make_certificate, make_node


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    counters._gathered.reset()
    yield
    counters._gathered.reset()


@pytest.fixture
def node(bot: Bot) -> ServiceNode:
    return make_node(bot, "balance", certificate=make_certificate(bot, "bank"))


@pytest.mark.django_db
def test_calls_add_up(node: ServiceNode, bot: Bot) -> None:
    assert node.certificate is not None
    version = node.certificate.active_version
    assert version is not None
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            for outcome in (ANSWERED, ANSWERED, "rejected", REFUSED):
                count(node=node.pk, version=version.pk, outcome=outcome)
            count(node=node.pk, version=None, outcome="network_error")
        assert len(queries) == 0
        flush()
    flush()
    other = make_node(bot)
    with CaptureQueriesContext(connection) as queries:
        traffic = traffic_of_nodes([node, other])
        of_version = traffic_of_versions([version])[version.pk]
    assert len(queries) == 2
    assert traffic[node.pk].outcomes == {ANSWERED: 4, "rejected": 2, REFUSED: 2, "network_error": 2}
    assert (traffic[node.pk].calls, traffic[node.pk].refused) == (8, 2)
    assert traffic[node.pk].failures == {"network_error": 2, "rejected": 2}
    assert timezone.now() - (traffic[node.pk].last_used_at or timezone.now()) < timedelta(seconds=10)
    assert of_version.outcomes == {ANSWERED: 4, "rejected": 2, REFUSED: 2}
    assert (traffic[other.pk].calls, traffic[other.pk].last_used_at) == (0, None)


@pytest.mark.django_db
def test_last_used_never_goes_back(node: ServiceNode) -> None:
    now = timezone.now()
    for at in (now, now - timedelta(hours=1)):
        key = (node.pk, None, ANSWERED)
        row = CallCounter(pk=uuid.uuid5(uuid.NAMESPACE_URL, "x"), node=node, outcome=ANSWERED, calls=1, last_used_at=at)
        CallCounter.objects.add_up([row])
        assert key
    stored = CallCounter.objects.get()
    assert (stored.calls, stored.last_used_at) == (2, now)


@pytest.mark.django_db
def test_a_node_that_is_gone_does_not_lose_the_calls_of_others(node: ServiceNode) -> None:
    count(node=uuid.uuid4(), version=uuid.uuid4(), outcome=ANSWERED)
    count(node=node.pk, version=None, outcome=ANSWERED)
    flush()
    assert traffic_of_nodes([node])[node.pk].calls == 1
    node.delete()
    assert CallCounter.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_what_cannot_be_written_is_kept(
    node: ServiceNode, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error("gone")

    count(node=node.pk, version=None, outcome=ANSWERED)
    with monkeypatch.context() as patched:
        patched.setattr(CallCounterQuerySet, "add_up", fail)
        flush()
    assert not CallCounter.objects.exists()
    flush()
    assert traffic_of_nodes([node])[node.pk].calls == 1


@pytest.mark.django_db(transaction=True)
def test_the_writer_gives_a_database_that_is_away_time(
    node: ServiceNode, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise DatabaseError("gone")

    settings.CALL_COUNTERS_FLUSH_S = 0.2
    monkeypatch.setattr(CallCounterQuerySet, "add_up", fail)
    for _ in range(counters.FULL + 1):
        count(node=node.pk, version=None, outcome=ANSWERED)
    threading.Event().wait(0.9)
    monkeypatch.undo()
    settings.CALL_COUNTERS_FLUSH_S = 0
    assert 1 <= len(tries) <= 6
    flush()
    assert traffic_of_nodes([node])[node.pk].calls == counters.FULL + 1


def test_what_is_put_back_wakes_no_writer() -> None:
    gathered, woken = counters.Gathered(), threading.Event()
    gathered._wake.set = woken.set  # type: ignore[method-assign]  # a writer that waits would see it for an instant
    gathered.put_back({(uuid.uuid4(), None, ANSWERED): (counters.FULL + 1, timezone.now())})
    assert not woken.is_set()
    gathered.add((uuid.uuid4(), None, ANSWERED), counters.FULL, timezone.now())
    assert woken.is_set()


@pytest.mark.django_db(transaction=True)
def test_a_writer_ends_when_counting_starts_anew(node: ServiceNode, settings: Settings) -> None:
    settings.CALL_COUNTERS_FLUSH_S = 0.02
    count(node=node.pk, version=None, outcome=ANSWERED)
    writer = counters._gathered._thread
    assert writer is not None
    counters._gathered.reset()
    writer.join(timeout=20)
    assert not writer.is_alive()


@pytest.mark.django_db(transaction=True)
def test_threads_that_write_at_once_lose_nothing(node: ServiceNode) -> None:
    def work() -> None:
        for number in range(50):
            count(node=node.pk, version=None, outcome=("answered", "rejected", "network_error")[number % 3])
            if number % 10 == 9:
                flush()
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flush()
    assert traffic_of_nodes([node])[node.pk].calls == 300


@pytest.mark.django_db(transaction=True)
def test_the_writer_wakes_up_when_much_has_come_together(node: ServiceNode, settings: Settings) -> None:
    settings.CALL_COUNTERS_FLUSH_S = 0.05
    count(node=node.pk, version=None, outcome=ANSWERED)
    end = timezone.now() + timedelta(seconds=10)
    while not CallCounter.objects.exists() and timezone.now() < end:
        threading.Event().wait(0.02)
    assert traffic_of_nodes([node])[node.pk].calls == 1


COUNT_AND_END = """
import django, sys, uuid
django.setup()
from servicenodes.counters import count
for _ in range(3):
    count(node=uuid.UUID(sys.argv[1]), version=None, outcome="answered")
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_writes_what_it_gathered(node: ServiceNode, product_environment: dict[str, str]) -> None:
    environment = {**product_environment, "SECRET_KEY": "x", "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    subprocess.run([sys.executable, "-c", COUNT_AND_END, str(node.pk)], env=environment, check=True, timeout=60)
    assert traffic_of_nodes([node])[node.pk].calls == 3


COUNT_AND_END_WHILE_WRITING = """
import sys, time, uuid
import django
django.setup()
from django.conf import settings
settings.CALL_COUNTERS_FLUSH_S = 0.2
from servicenodes import counters
for _ in range(100):
    counters.count(node=uuid.UUID(sys.argv[1]), version=None, outcome=counters.ANSWERED)
while counters._gathered._counts:
    time.sleep(0.01)
print("taken", flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_waits_for_what_is_being_written(
    node: ServiceNode, product_environment: dict[str, str]
) -> None:
    environment = {**product_environment, "SECRET_KEY": "x", "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    command = [sys.executable, "-c", COUNT_AND_END_WHILE_WRITING, str(node.pk)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with transaction.atomic():  # SQLite: nobody else writes; PostgreSQL: not to this table
            if connection.vendor == "postgresql":
                connection.cursor().execute("LOCK servicenodes_callcounter IN EXCLUSIVE MODE")
            assert process.stdout.readline() == "taken\n"
            time.sleep(1)
    assert process.returncode == 0
    assert traffic_of_nodes([node])[node.pk].calls == 100
