"""The browser, a console that serves, and a worker that works, all on the test's database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from botplatform.jobs.heartbeat import worker_alive
from tests.e2e.browser import Watched, chromium

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0


@pytest.fixture(scope="module", autouse=True)
def _playwright_beside_django() -> Iterator[None]:
    """Playwright keeps an event loop in this thread; the database is used from it all the same, one at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def watched(browser: Browser, live_server: LiveServer) -> Iterator[Watched]:
    """A page of a desktop in light colours."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="light")
    context.set_default_timeout(15_000)
    yield Watched(context.new_page(), live_server.url)
    context.close()


@pytest.fixture
def worker(live_server: LiveServer, product_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """A real worker process, which may call this machine."""
    environment = {**product_environment, "EGRESS_ALLOW": "127.0.0.1/32,::1/128"}
    command = [sys.executable, "manage.py", "worker", "--concurrency", "1"]
    log = tmp_path / "worker.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sink, stderr=sink)
    try:
        end = time.monotonic() + START_S
        while not worker_alive(timezone.now()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()
