"""What is wrong before any command runs: settings, the command's name, the database. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEAD_DATABASE = "postgres://console:s3cret-pw@127.0.0.1:1/console"  # nothing listens on port 1


def run(tmp_path: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {"SECRET_KEY": "x", "VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "botplatform.settings", **own, **settings}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", ["list_certificates", "migrate", "worker"])
def test_a_wrong_setting_is_one_sentence_and_2(tmp_path: Path, command: str) -> None:
    ended = run(tmp_path, "manage.py", command, TIME_ZONE="Mars/X")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "TIME_ZONE must be a time zone such as Europe/Berlin, not “Mars/X”.\n"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"TEST_TIMEOUT_S": "abc"}, "TEST_TIMEOUT_S must be"),
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"EGRESS_ALLOW": "garbage"}, "EGRESS_ALLOW: “garbage” is neither"),
    ],
)
def test_the_server_says_the_same_and_gives_up(tmp_path: Path, setting: dict[str, str], text: str) -> None:
    options = ["--worker-class", "gthread", "--no-control-socket", "--bind", f"unix:{tmp_path / 'socket'}"]
    ended = run(tmp_path, "-m", "gunicorn", *options, "botplatform.wsgi:application", **setting)
    assert ended.returncode == 3
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_worker_does_not_start_with_networks_that_are_none(tmp_path: Path) -> None:
    ended = run(tmp_path, "manage.py", "worker", EGRESS_ALLOW="garbage")
    assert ended.returncode == 2
    assert "EGRESS_ALLOW: “garbage” is neither" in ended.stderr
    assert "worker started" not in ended.stderr


def test_no_such_command_is_2(tmp_path: Path) -> None:
    ended = run(tmp_path, "manage.py", "nonsense")
    assert ended.returncode == 2
    assert "Unknown command: 'nonsense'" in ended.stderr


@pytest.mark.parametrize("command", [["list_certificates", "--skip-checks"], ["migrate", "--skip-checks"]])
def test_a_database_that_is_down_is_one_sentence_at_once(tmp_path: Path, command: list[str]) -> None:
    began = time.monotonic()
    ended = run(tmp_path, "manage.py", *command, DATABASE_URL=DEAD_DATABASE)
    assert time.monotonic() - began < 8  # the pool alone would take ten seconds
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "The database cannot be used (" in ended.stderr
    assert "Connection refused" in ended.stderr
    assert "s3cret-pw" not in ended.stderr


def test_an_empty_database_names_the_command_that_prepares_it(tmp_path: Path) -> None:
    ended = run(tmp_path, "manage.py", "list_certificates", "--skip-checks")
    assert ended.returncode == 2
    assert ended.stderr.startswith("CommandError: The database is not prepared (no such table")
    assert "run `manage.py quickstart`" in ended.stderr


@pytest.mark.parametrize("command", ["list_certificates --help", "help"])
def test_a_reader_that_has_seen_enough_gets_no_traceback(tmp_path: Path, command: str) -> None:
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "SECRET_KEY": "x" * 50}
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "manage.py", *command.split()]
    ended = subprocess.run(
        line, cwd=ROOT, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")
