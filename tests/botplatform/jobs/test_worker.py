"""A real `manage.py worker` process on the test's database: starts at once, stops cleanly, survives its database."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from botplatform.jobs.heartbeat import worker_alive
from botplatform.jobs.models import WorkerHeartbeat
from tests.botplatform.jobs import tasks

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db(transaction=True)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """Seconds until `condition` held."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.fixture
def worker(product_environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with two threads that has given a sign of life."""
    command = [sys.executable, "manage.py", "worker", "--concurrency", "2"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=product_environment, stdout=log, stderr=log)
    try:
        wait_for(lambda: worker_alive(timezone.now()) or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "worker.log").read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def statuses() -> list[str]:
    return sorted(DBTaskResult.objects.values_list("status", flat=True))


def test_a_task_starts_at_once_and_a_failing_one_harms_nobody(worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    tasks.fail.enqueue()
    tasks.mark.enqueue(str(tmp_path / "done"))
    assert wait_for((tmp_path / "done").exists) < 2.0
    wait_for(lambda: statuses() == ["FAILED", "SUCCESSFUL"])
    assert worker.poll() is None


def test_tasks_run_side_by_side_up_to_the_concurrency(worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        tasks.mark.enqueue(str(tmp_path / name), 1.0)
    wait_for(lambda: (tmp_path / "a.begun").exists() and (tmp_path / "b.begun").exists())
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "c.begun").exists()
    wait_for((tmp_path / "c").exists)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_the_running_task_end(
    worker: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    tasks.mark.enqueue(str(tmp_path / "done"), 1.0)
    wait_for((tmp_path / "done.begun").exists)
    worker.send_signal(number)
    assert worker.wait(10) == 0
    assert (tmp_path / "done").exists()
    assert statuses() == ["SUCCESSFUL"]
    assert not WorkerHeartbeat.objects.exists()


def test_an_idle_worker_stops_within_a_second(worker: subprocess.Popen[bytes]) -> None:
    begun = time.monotonic()
    worker.terminate()
    assert worker.wait(10) == 0
    assert time.monotonic() - begun < 2.0


def test_a_second_signal_ends_it_at_once(worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    tasks.mark.enqueue(str(tmp_path / "done"), 30.0)
    wait_for((tmp_path / "done.begun").exists)
    worker.terminate()
    time.sleep(0.5)
    worker.terminate()
    assert worker.wait(5) == -signal.SIGTERM


def disturb(database_url: str) -> None:
    """End every connection of PostgreSQL, as its restart does; lock all of SQLite for a second."""
    if connection.vendor == "postgresql":
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        return
    locking = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    time.sleep(1.0)
    locking.execute("ROLLBACK")
    locking.close()


def test_it_survives_losing_its_database(worker: subprocess.Popen[bytes], tmp_path: Path, database_url: str) -> None:
    disturb(database_url)
    tasks.mark.enqueue(str(tmp_path / "done"))
    wait_for((tmp_path / "done").exists)
    assert worker.poll() is None


def test_a_sign_of_life_grows_old() -> None:
    now = timezone.now()
    assert not worker_alive(now)
    WorkerHeartbeat.objects.beat(name="host:1", concurrency=4, now=now)
    WorkerHeartbeat.objects.beat(name="host:1", concurrency=4, now=now + timedelta(seconds=5))
    assert worker_alive(now + timedelta(seconds=24))
    assert not worker_alive(now + timedelta(seconds=26))
    WorkerHeartbeat.objects.forget(name="host:2", older_than=now + timedelta(seconds=6))
    assert not WorkerHeartbeat.objects.exists()


@pytest.mark.parametrize("number", ["0", "65"])
def test_a_concurrency_that_makes_no_sense(number: str) -> None:
    with pytest.raises(CommandError, match="from 1 to 64"):
        call_command("worker", "--concurrency", number)
