"""The worker: takes hints from the database queue and runs them in threads, and starts periodic work when it is due.

One thread polls and claims, so an idle worker asks the database four times a second whatever its concurrency. Each
task gets its own database connection, given back when the task ends. When the database is away, the worker waits.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker as QueueWorker
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction

from botplatform.database import make_room_for
from botplatform.jobs.duties import DutyRunner
from botplatform.jobs.heartbeat import BEAT_S, STALE_AFTER
from botplatform.jobs.models import WorkerHeartbeat

log = structlog.get_logger(__name__)
POLL_S = 0.2
DUTIES_POLL_S = 1.0
DATABASE_AWAY_S = 1.0
GRACE_S = 30.0  # how long running tasks may take to end after a stop
BACKEND = "default"


class Worker:
    """Runs until `stop()`. Use it from the main thread; `stop` may be called from a signal handler."""

    def __init__(self, *, concurrency: int) -> None:
        self.concurrency = concurrency
        self.name = f"{platform.node()}:{os.getpid()}"[:64]
        self._stop = threading.Event()
        self._slots = threading.Semaphore(concurrency)
        self._next_beat = 0.0
        self._duties = DutyRunner()
        self._next_look = 0.0
        self._queue = QueueWorker(
            queue_names=["*"],
            interval=POLL_S,
            batch=False,
            backend_name=BACKEND,
            startup_delay=False,
            max_tasks=None,
            worker_id=self.name,
            excluded_queue_names=[],
        )

    def stop(self) -> None:
        """Take no more tasks; `run` returns when the running ones have ended."""
        self._stop.set()

    def run(self) -> bool:
        """Work until stopped. False when a task was still running after the grace period."""
        log.info("worker started", worker=self.name, concurrency=self.concurrency)
        make_room_for(self.concurrency)
        executor = ThreadPoolExecutor(self.concurrency, thread_name_prefix="task")
        while not self._stop.is_set():
            try:
                self._turn(executor)
            except (OperationalError, InterfaceError) as error:
                log.warning("database away", error=str(error))
                self._stop.wait(DATABASE_AWAY_S)
            finally:
                connections.close_all()
        executor.shutdown(wait=False)
        self._duties.close(wait=False)
        ended = self._wait_for_tasks()
        self._say_goodbye()
        log.info("worker stopped", worker=self.name, all_tasks_ended=ended)
        return ended

    def _turn(self, executor: ThreadPoolExecutor) -> None:
        self._beat()
        self._look_for_duties()
        if not self._slots.acquire(timeout=POLL_S):
            return
        task = None
        try:
            task = self._claim()
        finally:
            if task is None:
                self._slots.release()
        if task is None:
            self._stop.wait(POLL_S)
        else:
            executor.submit(self._run_task, task)

    def _claim(self) -> DBTaskResult[Any, Any] | None:
        ready = DBTaskResult.objects.ready().filter(backend_name=BACKEND)
        if not ready.exists():  # a look locks nothing; the claim locks all of SQLite
            return None
        with exclusive_transaction(ready.db):
            task: DBTaskResult[Any, Any] | None = ready.get_locked()
            if task is not None:
                task.claim(self.name)
        return task

    def _run_task(self, task: DBTaskResult[Any, Any]) -> None:
        try:
            self._queue.run_task(task)  # records a failure of the task itself
        except (OperationalError, InterfaceError) as error:
            log.warning("task result not recorded", task=str(task.pk), error=str(error))
        finally:
            connections.close_all()
            self._slots.release()

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat:
            WorkerHeartbeat.objects.beat(name=self.name, concurrency=self.concurrency, now=timezone.now())
            self._next_beat = time.monotonic() + BEAT_S

    def _look_for_duties(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + DUTIES_POLL_S
            self._duties.start_due()

    def _wait_for_tasks(self) -> bool:
        deadline = time.monotonic() + GRACE_S
        return all(self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())) for _ in range(self.concurrency))

    def _say_goodbye(self) -> None:
        try:
            WorkerHeartbeat.objects.forget(name=self.name, older_than=timezone.now() - STALE_AFTER)
        except (OperationalError, InterfaceError) as error:
            log.warning("database away", error=str(error))
        finally:
            connections.close_all()
