"""`test_fleet` when there is much to do, the database is away, or somebody presses Ctrl-C. Real servers."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection, connections
from django_tasks_db.models import DBTaskResult

from botplatform import database
from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from botplatform.jobs.worker import Worker
from certificates.models import ClientCertificate
from servicenodes.lookup import visible_nodes
from servicenodes.models import ServiceNode
from servicenodes.services import probing
from servicenodes.services.fleet_testing import run_tests
from servicenodes.services.requests import ProbeOptions
from tests.botplatform.jobs.test_worker import ROOT
from tests.certificates.commands.test_commands import run
from tests.factories import make_node
from tests.servers import raw_server
from tests.servicenodes.commands.test_fleet_command import both, certificate, egress, lines
from tests.servicenodes.services.proving import Banks

__all__ = ["both", "certificate", "egress"]
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def out_of_reach() -> Iterator[None]:
    """No test can be stored: SQLite is locked for longer than anybody waits, PostgreSQL has no such table."""
    take: Callable[..., Any]
    if connection.vendor == "sqlite":
        holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        take, statements = holder.execute, ("BEGIN IMMEDIATE", "ROLLBACK")
    else:
        take = connection.cursor().execute
        table = "servicenodes_connectiontest"
        statements = (f"ALTER TABLE {table} RENAME TO away", f"ALTER TABLE away RENAME TO {table}")
    take(statements[0])
    try:
        yield
    finally:
        take(statements[1])


def test_one_line_for_each_node_and_totals_whatever_the_database_does(
    both: Banks, bot: Bot, certificate: ClientCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = connections.settings["default"]["OPTIONS"]
    monkeypatch.setitem(options, "timeout", 0.1)
    monkeypatch.setattr(database, "SECONDS_EACH", 0.05)
    with out_of_reach():
        ran = run("test_fleet", "--json", "--concurrency", 2)
    assert ran.code == 1
    assert [line["error"]["code"] for line in lines(ran)[:-1]] == ["database_unavailable"] * 3  # type: ignore[index]
    assert lines(ran)[-1] == {"totals": {"nodes": 3, "accepted": 0, "verdicts": {"not_tested": 3}}}


def test_a_node_that_is_deleted_meanwhile_stops_no_other(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor
) -> None:
    nodes = list(visible_nodes(operator).order_by("slug"))
    ServiceNode.objects.get(slug="quick").delete()
    tested = list(run_tests(actor=operator, nodes=nodes, options=ProbeOptions(), concurrency=1))
    assert {one.node: one.verdict for one in tested} == {
        "globex/help": "accepted",
        "acme/quick": "not_tested",
        "acme/slow": "accepted",
    }


@pytest.fixture
def small_pool() -> None:
    """PostgreSQL: a pool as the settings have it. An earlier test may have made room in this process."""
    pool = getattr(connection, "pool", None)
    if pool is not None:
        connections.settings["default"]["OPTIONS"]["pool"]["max_size"] = 12
        pool.resize(1, 12)


MANY = 20  # more than the pool has connections


@contextmanager
def reached_together(bot: Bot) -> Iterator[threading.Event]:
    """So many nodes of a server that waits until it sees all of them at once. Set: it did."""
    seen, together = threading.Barrier(MANY), threading.Event()

    def wait(_: socket.socket) -> None:
        with suppress(threading.BrokenBarrierError):
            seen.wait(8)
            together.set()

    with raw_server(wait) as peer:
        for number in range(MANY):
            make_node(bot, f"many-{number}", url=peer.url, timeout_s=20)
        yield together


def test_so_many_tests_at_once_have_their_connections(bot: Bot, small_pool: None) -> None:
    with reached_together(bot) as together:
        ran = run("test_fleet", "--concurrency", MANY)
        assert together.is_set()
    assert (ran.code, len(ran.out.splitlines())) == (1, MANY + 1)
    assert f"0 of {MANY} accepted" in ran.out
    assert "not tested" not in ran.out


def test_a_worker_has_a_connection_for_each_of_its_tests(bot: Bot, small_pool: None, operator: Actor) -> None:
    with reached_together(bot) as together:
        for node in ServiceNode.objects.all():
            probing.request_test(actor=operator, node=node)
        worker = Worker(concurrency=MANY)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            assert together.wait(15)
        finally:
            worker.stop()
            thread.join(40)
    assert not DBTaskResult.objects.failed().exists()


@contextmanager
def as_a_terminal_does() -> Iterator[None]:
    """A process begun now hears Ctrl-C, even if the tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_it_at_once_with_what_is_known(
    both: Banks, certificate: ClientCertificate, bot: Bot, product_environment: dict[str, str]
) -> None:
    over = threading.Event()

    def wait(_: socket.socket) -> None:
        over.wait(30)

    with raw_server(wait) as peer:
        for number in range(3):
            make_node(bot, f"silent-{number}", url=peer.url, timeout_s=30)
        command = [sys.executable, "manage.py", "test_fleet", "--json", "--concurrency", "3"]
        environment = product_environment | {"EGRESS_ALLOW": "127.0.0.0/8,::1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with as_a_terminal_does(), subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:  # type: ignore[call-overload]
            assert process.stdout is not None
            first = process.stdout.readline()
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        over.set()
    assert time.monotonic() - begun < 8
    *told, last = [json.loads(line) for line in (first + out).splitlines()]
    assert (process.returncode, last["totals"]["nodes"]) == (130, len(told))
    assert err.strip() == f"Interrupted: {len(told)} of 6 service nodes were tested."
