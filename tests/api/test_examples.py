"""The examples of docs/api.md, run as a reader runs them: other processes, a real server, a real backend."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from servicenodes.services import invoking
from tests.api.caller import make_token
from tests.factories import make_certificate, make_node, make_trust_store
from tests.pki import CA
from tests.servicenodes.services.calls import echo_bank

pytestmark = pytest.mark.django_db(transaction=True)
PROJECT = Path(__file__).resolve().parents[2]
CLIENT = PROJECT / "docs/examples/client.py"


@pytest.fixture
def environment(live_server: LiveServer, manager: User, bot: Bot, settings: Settings) -> Iterator[dict[str, str]]:
    """The console with the node `acme/balance`, and the environment of its caller."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    with echo_bank() as bank:
        make_certificate(bot, "bank", issued=bank.authority.issue("one.example"), is_default=True)
        trust = make_trust_store(bot, "roots", authorities=(bank.server_authority,))
        make_node(bot, "balance", url=f"{bank.peer.url}accounts", trust_store=trust, timeout_s=5)
        _, text = make_token(manager, bot)
        yield {"CONSOLE_URL": live_server.url, "CONSOLE_TOKEN": text, "PATH": "/usr/bin:/bin"}
        invoking.close()


def client(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CLIENT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_the_python_client(environment: dict[str, str], tmp_path: Path) -> None:
    def told(*arguments: str) -> object:
        done = client(environment, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    answer = told("invoke", "acme", "balance")
    assert isinstance(answer, dict)
    assert (answer["status"], answer["client_certificate"]["certificate"]) == (200, "acme/bank")
    assert told("test", "acme", "balance")["verdict"] == "accepted"  # type: ignore[index]
    assert told("rename", "acme", "balance", "Balance")["name"] == "Balance"  # type: ignore[index]
    assert [node["slug"] for node in told("nodes", "acme")] == ["balance"]  # type: ignore[attr-defined]
    (tmp_path / "new.p12").write_bytes(CA.root().issue("new.example").p12(b"seven otters"))
    (tmp_path / "passphrase").write_text("seven otters\n")
    files = (str(tmp_path / "new.p12"), str(tmp_path / "passphrase"))
    assert told("import", "acme", "new", *files)["version"] == 1  # type: ignore[index]
    refused = client(environment, "invoke", "globex", "balance")
    assert (refused.returncode, refused.stderr[:13]) == (1, "404 not_found")


def test_the_python_client_explains_failures(environment: dict[str, str], bot: Bot) -> None:
    wrong = client(environment, "invoke", "acme", "balance", "foo")
    assert (wrong.returncode, wrong.stderr) == (1, "A variable is written NAME=VALUE.\n")
    ClientCertificate.objects.update(allowed_hosts=["api.bank.example"])
    refused = client(environment, "invoke", "acme", "balance")
    assert refused.stderr.startswith("409 host_not_allowed")
    assert "\n→ " in refused.stderr
    nobody = client({**environment, "CONSOLE_URL": "http://127.0.0.1:1"}, "nodes", "acme")
    assert (nobody.returncode, nobody.stderr.count("\n")) == (1, 1)
    assert "Connection refused" in nobody.stderr
    del environment["CONSOLE_URL"]
    assert client(environment, "nodes", "acme").stderr == "Set CONSOLE_URL first.\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example(environment: dict[str, str]) -> None:
    (block,) = re.findall(r"^(curl .*?)^```", (PROJECT / "docs/api.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    done = subprocess.run(["sh", "-c", block], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["client_certificate"]["version"] == 1
