"""`scripts/serve`, which `make run` ends with: real processes on free ports."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.ports import free_base_port
from tests.test_quickstart import OWN_SETTINGS, PROJECT

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    return free_base_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(**environment: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
        process = subprocess.Popen(
            [sys.executable, "scripts/serve"],
            cwd=PROJECT,
            env={**inherited, "VAR_DIR": str(tmp_path / "var"), "PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "is ready" in line:
            return said
    raise AssertionError(said + (process.stderr.read() if process.stderr else ""))


def descendants(pid: int) -> set[int]:
    children = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return children.union(*(descendants(child) for child in children)) if children else children


def are_gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_serves_and_ends_without_orphans(start: Start, port: int) -> None:
    process = start(DEMO_PORT=str(free_base_port()))
    said = wait_until_ready(process)
    assert "accepted (proven)" in said
    assert re.search(r"Password  \S+ .*\n\nThe console is ready: [^\n]*\n\Z", said)  # seen last, not scrolled away
    assert f"http://localhost:{port}/" in said
    for path in ("healthz", "sign-in/"):
        with urllib.request.urlopen(f"http://localhost:{port}/{path}", timeout=20) as answer:
            assert answer.status == 200
    parts = descendants(process.pid)
    assert len(parts) >= 5  # bank, worker, web server and its two processes
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_TIMEOUT_S) == 0
    assert are_gone(parts)
    assert process.stderr is not None
    told = process.stderr.read()
    assert told.startswith("Preparing the database")
    assert told.count("\n") == 2, told  # everyday events are not for a newcomer's terminal


def test_when_one_part_dies_all_end(start: Start) -> None:
    process = start(DEMO="0")
    wait_until_ready(process)
    parts = descendants(process.pid)
    os.kill(min(descendants(process.pid)), signal.SIGKILL)
    assert process.wait(STOP_TIMEOUT_S) == 1
    assert are_gone(parts)
    assert process.stderr is not None
    assert "ended by itself" in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_killed_outright_it_leaves_no_orphans(start: Start) -> None:
    process = start(DEMO="0")
    wait_until_ready(process)
    parts = descendants(process.pid)
    process.kill()
    process.wait()
    assert are_gone(parts)


@pytest.mark.parametrize("name", ["PORT", "DEMO_PORT"])
def test_a_taken_port_is_one_sentence(start: Start, name: str) -> None:
    taken = free_base_port()
    with socket.create_server(("127.0.0.1", taken)):
        process = start(**{name: str(taken)})
        _, complaint = process.communicate(timeout=STOP_TIMEOUT_S)
    assert process.returncode == 2
    assert complaint.count("\n") == 1
    assert f"{taken}" in complaint
    assert f"{name}=" in complaint


def test_a_port_that_is_none(start: Start) -> None:
    process = start(PORT="eighty")
    _, complaint = process.communicate(timeout=STOP_TIMEOUT_S)
    assert (process.returncode, complaint.count("\n")) == (2, 1)
