"""Periodic work: done when due, by one worker at a time, and again after a failure or a killed worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from botplatform.jobs.duties import LEASE, DutyRunner, claim, due
from botplatform.jobs.models import Duty
from botplatform.jobs.services import KEPT_FOR, forget_ended_tasks
from tests.botplatform.jobs import duties, tasks
from tests.botplatform.jobs.test_worker import (
    wait_for,
    worker,  # noqa: F401 - a fixture
)

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "tests.botplatform.jobs.duties."


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.DUTIES = {name: (name.title(), f"{HERE}{name}", 60) for name in ("count", "fail", "wait")}
    duties.done.clear()
    duties.hold.set()
    yield
    duties.hold.set()


def run_due() -> dict[str, int | None]:
    """What was begun, and what it returned; None where it failed."""
    runner = DutyRunner()
    begun = runner.start_due()
    runner.close()
    return {name: None if future.exception() else future.result() for name, future in begun.items()}


def test_each_is_done_once_until_it_is_due_again() -> None:
    assert run_due() == {"count": 3, "fail": None, "wait": 1}
    assert run_due() == {}
    later = timezone.now() + timedelta(seconds=61)
    assert due(later) == ["count", "fail", "wait"]
    row = Duty.objects.get(name="count")
    assert (row.error, row.lease_until) == ("", None)
    assert row.begun_at
    assert row.due_at - row.begun_at < timedelta(seconds=61)


def test_a_failure_is_noted_and_comes_round_again(caplog: pytest.LogCaptureFixture) -> None:
    run_due()
    assert Duty.objects.get(name="fail").error == "LookupError"
    assert "duty_failed" in caplog.text
    Duty.objects.update(due_at=timezone.now())
    assert "fail" in run_due()


def test_who_holds_the_lease_is_alone() -> None:
    duties.hold.clear()
    runner = DutyRunner()
    runner.start_due()
    wait_for(lambda: duties.done["wait"] == 1)
    assert "wait" not in due(timezone.now())
    assert not claim("wait")
    duties.hold.set()
    runner.close()
    assert duties.done["wait"] == 1


def test_the_lease_of_a_killed_worker_runs_out() -> None:
    assert claim("count")
    assert not claim("count")
    assert "count" in due(timezone.now() + LEASE)
    Duty.objects.update(lease_until=timezone.now())
    assert claim("count")


def test_who_lost_the_lease_writes_no_outcome() -> None:
    duties.hold.clear()
    runner = DutyRunner()
    runner.start_due()
    wait_for(lambda: duties.done["wait"] == 1)
    later = timezone.now() + LEASE * 2
    Duty.objects.filter(name="wait").update(lease_until=later)  # it ran out, and another worker began anew
    duties.hold.set()
    runner.close()
    row = Duty.objects.get(name="wait")
    assert (row.lease_until, row.ended_at) == (later, None)


def test_the_command_does_what_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("sweep", "--json")
    assert ended.value.code == 1
    rows = {row["duty"]: row for row in json.loads(capsys.readouterr().out)["duties"]}
    assert rows["count"] == {"duty": "count", "done": 3, "error": None}
    assert rows["fail"]["error"] == "LookupError"
    call_command("sweep")
    assert capsys.readouterr() == ("", "Nothing is due.\n")


def test_a_running_worker_does_the_products_duties(worker: subprocess.Popen[bytes]) -> None:  # noqa: F811
    wait_for(lambda: Duty.objects.filter(name="forget-ended-tasks", ended_at__isnull=False, error="").exists())
    assert worker.poll() is None


def test_ended_tasks_are_forgotten_after_a_day() -> None:
    for _ in range(3):
        tasks.fail.enqueue()
    old, fresh, waiting = DBTaskResult.objects.all()
    before = timezone.now() - KEPT_FOR - timedelta(minutes=1)
    DBTaskResult.objects.filter(pk=old.pk).update(status="FAILED", finished_at=before)
    DBTaskResult.objects.filter(pk=fresh.pk).update(status="SUCCESSFUL", finished_at=timezone.now())
    assert forget_ended_tasks() == 1
    assert set(DBTaskResult.objects.all()) == {fresh, waiting}
    DBTaskResult.objects.filter(pk=fresh.pk).update(status="RUNNING", started_at=before, finished_at=None)
    assert forget_ended_tasks() == 1
    assert DBTaskResult.objects.get() == waiting
