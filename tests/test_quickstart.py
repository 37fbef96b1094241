"""`quickstart` and the five faces of the demo bank, as a newcomer meets them: real processes, a fresh VAR_DIR."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.faces import FACES, Face
from tests.demo.ports import free_base_port
from tests.pki import CA

PROJECT = Path(__file__).resolve().parents[1]
OWN_SETTINGS = {
    *("SECRET_KEY", "SECRET_KEY_FILE", "DATABASE_URL", "DATABASE_URL_FILE", "KEYRING_FILE"),
    *("BASE_URL", "EGRESS_ALLOW", "EGRESS_PROXY", "DEBUG", "LOG_FORMAT", "DJANGO_SETTINGS_MODULE"),
}


@dataclass(frozen=True)
class Installation:
    """A folder of its own, and commands run on it."""

    var: Path
    port: int

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env={**inherited, "VAR_DIR": str(self.var), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def quickstart(self) -> subprocess.CompletedProcess[str]:
        return self.manage("quickstart", "--demo", "--demo-port", str(self.port))

    def test(self, face: Face, **environment: str) -> tuple[int, dict[str, Any]]:
        done = self.manage("test_connection", f"acme/{face.slug}", "--json", **environment)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.var / "db.sqlite3")) as database:
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, subprocess.CompletedProcess[str]]:
    """A new installation after its first quickstart, and what that said."""
    installation = Installation(tmp_path_factory.mktemp("quickstart") / "var", free_base_port())
    return installation, installation.quickstart()


@pytest.fixture
def copied(fresh: tuple[Installation, object], tmp_path: Path) -> Path:
    """The VAR_DIR of a copy of that installation, to be changed at will."""
    return Path(shutil.copytree(fresh[0].var, tmp_path / "var"))


@contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """The demo bank with the certificates of `folder`, on five ports from `port` on."""
    command = [sys.executable, "-m", "demo.bank_api", "--dir", str(folder), "--port", str(port)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as bank:
        assert bank.stdout is not None
        try:
            assert "ready" in bank.stdout.readline()
            yield
        finally:
            bank.terminate()
            bank.communicate(timeout=10)


@pytest.fixture(scope="module")
def running_bank(fresh: tuple[Installation, object]) -> Iterator[str]:
    """The demo bank, serving; gives the EGRESS_ALLOW it needs."""
    port = fresh[0].port
    with serving(fresh[0].var / "demo", port):
        yield ",".join(f"127.0.0.1:{port + offset}" for offset in range(len(FACES)))


def test_from_nothing(fresh: tuple[Installation, subprocess.CompletedProcess[str]]) -> None:
    installation, done = fresh
    assert done.returncode == 0, done.stderr
    assert "acme/balance: accepted (proven)" in done.stdout
    assert "http://localhost:8000/" in done.stdout
    assert "Traceback" not in done.stderr
    for name in ("secret_key", "keyring.json", "db.sqlite3", "demo/acme-client.p12"):
        assert stat.S_IMODE((installation.var / name).stat().st_mode) == 0o600, name


def test_the_password_signs_in(fresh: tuple[Installation, subprocess.CompletedProcess[str]]) -> None:
    installation, done = fresh
    found = re.search(r"User +(\w+)\n +Password +(\S+) +shown only this once\n\n\Z", done.stdout)
    assert found is not None
    code = "print(a(username=os.environ['WHO'], password=os.environ['WITH']))"
    script = f"import os; from django.contrib.auth import authenticate as a; {code}"
    told = installation.manage("shell", "-c", script, WHO=found[1], WITH=found[2])
    assert told.stdout.strip().endswith("admin"), told.stderr


def test_a_second_run_reuses_everything(fresh: tuple[Installation, object]) -> None:
    installation, _ = fresh
    tables = ("accounts_user", "bots_bot", "certificates_certificateversion", "servicenodes_servicenode")
    before = {table: installation.count(table) for table in tables}
    secrets = {name: (installation.var / name).read_bytes() for name in ("secret_key", "keyring.json")}
    done = installation.quickstart()
    assert done.returncode == 0, done.stderr
    assert "accepted (proven)" in done.stdout
    assert "password" not in done.stdout.partition("Sign in")[2].partition("changepassword")[0]
    assert {table: installation.count(table) for table in tables} == before
    assert before == dict(zip(tables, (1, 1, 1, 5), strict=True))
    assert {name: (installation.var / name).read_bytes() for name in secrets} == secrets


def test_a_second_run_leaves_another_version_active(fresh: tuple[Installation, object], copied: Path) -> None:
    installation = Installation(copied, fresh[0].port)
    issued = CA.root("Somebody's CA").issue("renewed.example")
    (copied / "renewed.pem").write_bytes(issued.key_pem + issued.cert_pem)
    assert installation.manage("import_certificate", "acme/bank-client", str(copied / "renewed.pem")).returncode == 0
    assert installation.quickstart().returncode == 0
    assert "version 2, renewed.example" in installation.manage("list_certificates").stdout


REASONS = {
    "balance": "proven",
    "transfers": "unknown_ca_or_missing_intermediate",
    "cards": "certificate_has_expired",
}


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.verdict)
def test_the_truth_in_five_ways(fresh: tuple[Installation, object], running_bank: str, face: Face) -> None:
    installation, _ = fresh
    code, report = installation.test(face, EGRESS_ALLOW=running_bank)
    assert report["verdict"] == face.verdict, report["summary"]
    assert code == (0 if face.verdict == "accepted" else 1)
    assert report["reason"] == REASONS.get(face.slug, report["reason"])
    assert report["client_certificate"]["sent"] == ("no" if face.slug in {"cards", "branches"} else "certificate")


def test_loopback_is_refused_without_permission(fresh: tuple[Installation, object], running_bank: str) -> None:
    installation, _ = fresh
    code, report = installation.test(FACES[0])
    assert (code, report["verdict"]) == (1, "address_denied")


def test_another_port_moves_the_demo_nodes(copied: Path) -> None:
    moved = Installation(copied, free_base_port())
    done = moved.quickstart()
    assert done.returncode == 0, done.stderr
    assert "accepted (proven)" in done.stdout
    assert moved.count("servicenodes_servicenode") == 5


def test_on_the_database_of_the_run(tmp_path: Path, database_url: str, keyring: Path) -> None:
    installation = Installation(tmp_path / "var", free_base_port())
    options = ("quickstart", "--demo", "--demo-port", str(installation.port))
    done = installation.manage(*options, DATABASE_URL=database_url, KEYRING_FILE=str(keyring))
    assert done.returncode == 0, done.stderr
    assert "accepted (proven)" in done.stdout
    assert not (installation.var / "db.sqlite3").exists()


@pytest.mark.parametrize("port", ["0", "65532", "99999999"])
def test_a_port_without_four_above_it_is_refused(tmp_path: Path, port: str) -> None:
    installation = Installation(tmp_path / "var", free_base_port())
    done = installation.manage("quickstart", "--demo", "--demo-port", port)
    assert done.returncode == 2
    assert f"a whole number from 1 to 65531, not “{port}”" in done.stderr
    assert not installation.var.exists()


def test_a_lost_keyring_is_not_replaced(copied: Path) -> None:
    installation = Installation(copied, free_base_port())
    (installation.var / "keyring.json").unlink()
    done = installation.manage("quickstart")
    assert done.returncode == 2
    assert "Restore it" in done.stderr
    assert not (installation.var / "keyring.json").exists()


def test_a_port_that_is_none(tmp_path: Path) -> None:
    done = Installation(tmp_path / "var", 70_000).quickstart()
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
