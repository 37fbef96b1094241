"""The demo bank as a process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.bank_api import PORT_TAKEN
from tests.demo.ports import free_base_port

PROJECT = Path(__file__).resolve().parents[2]


def command(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "demo.bank_api", "--dir", str(folder), "--port", str(port)]


@pytest.fixture
def port() -> int:
    return free_base_port()


@pytest.fixture
def process(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command(tmp_path, port), cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "ready" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_it_describes_itself_without_serving(tmp_path: Path, port: int) -> None:
    done = subprocess.run(
        [*command(tmp_path, port), "--describe"], cwd=PROJECT, capture_output=True, check=True, timeout=30
    )
    told = json.loads(done.stdout)
    assert told["faces"][0]["url"] == f"https://127.0.0.1:{port}/accounts/balance"
    assert told["egress_allow"] == [f"127.0.0.1:{port + offset}" for offset in range(5)]
    assert all(Path(told[name]).is_file() for name in ("client", "passphrase_file", "trust"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    assert process.wait(10) == 0


def test_a_taken_port_is_one_sentence(process: subprocess.Popen[str], tmp_path: Path, port: int) -> None:
    done = subprocess.run(command(tmp_path, port), cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert done.returncode == PORT_TAKEN
    assert done.stderr.count("\n") == 1
    assert str(port) in done.stderr


def test_a_silent_client_does_not_keep_it_from_ending(process: subprocess.Popen[str], port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("bad", [["--port", "0"], ["--port", "x"], ["--ports", "1,2"], []])
def test_wrong_usage_exits_2(tmp_path: Path, bad: list[str]) -> None:
    base = [sys.executable, "-m", "demo.bank_api", *(["--dir", str(tmp_path)] if bad else [])]
    done = subprocess.run([*base, *bad], cwd=PROJECT, capture_output=True, timeout=30)
    assert done.returncode == 2
