"""`test_fleet`: which nodes, how they are told, and the exit codes. Real servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services import limits
from tests.certificates.commands.test_commands import Ran, run
from tests.servicenodes.services.proving import Banks, banks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


@pytest.fixture
def certificate(both: Banks, bot: Bot, other_bot: Bot) -> ClientCertificate:
    """The platform's default, in renewal: two nodes of acme and one of globex present it."""
    made = both.renewed(None)
    ClientCertificate.objects.update(is_default=True)
    both.node(bot, "slow", both.slow, None)
    both.node(bot, "quick", both.quick, made)
    both.node(other_bot, "help", both.quick, None)
    return made


def lines(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_everything_then_a_staged_version(
    both: Banks, certificate: ClientCertificate, bot: Bot, monkeypatch: pytest.MonkeyPatch, manager: User
) -> None:
    monkeypatch.setattr(limits, "TESTS_PER_TARGET", 1)
    monkeypatch.setattr(limits, "TESTS_PER_USER", 1)
    ran = run("test_fleet", "--concurrency", 2)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "3 of 3 accepted")
    assert sorted(line.split(":")[0] for line in ran.out.splitlines()[:-1]) == [
        "acme/quick",
        "acme/slow",
        "globex/help",
    ]
    staged = run("test_fleet", "--certificate", "platform/bank", "--version", "staged", "--json")
    *nodes, last = lines(staged)
    assert staged.code == 1
    assert {node["node"]: node["verdict"] for node in nodes} == {
        "acme/slow": "rejected",
        "acme/quick": "accepted",
        "globex/help": "accepted",
    }
    assert {node["client_certificate"]["version"] for node in nodes} == {2}  # type: ignore[index]
    assert last == {"totals": {"nodes": 3, "accepted": 2, "verdicts": {"accepted": 2, "rejected": 1}}}
    mine = run("test_fleet", "--actor", "manager")
    assert mine.out.splitlines()[-1] == "2 of 2 accepted", "what the actor sees, and no limit for one act"


def test_parts_of_the_fleet(both: Banks, certificate: ClientCertificate, other_bot: Bot, viewer: User) -> None:
    assert run("test_fleet", "--bot", "globex").out.splitlines()[-1] == "1 of 1 accepted"
    own = both.renewed(other_bot, "own")
    nothing = run("test_fleet", "--certificate", own.path, "--version", 2)
    assert (nothing.code, nothing.out) == (0, "0 of 0 accepted\n")
    forbidden = run("test_fleet", "--actor", "viewer", "--json")
    assert forbidden.code == 1
    assert [line["error"]["code"] for line in lines(forbidden)[:-1]] == ["not_allowed"] * 2  # type: ignore[index]


def test_a_shell_that_may_call_less_than_the_console(
    both: Banks, certificate: ClientCertificate, settings: Settings
) -> None:
    run("test_fleet")
    settings.EGRESS_ALLOW = []
    for command in (("test_fleet",), ("test_connection", "acme/quick"), ("test_fleet", "--json")):
        ran = run(*command)
        assert (ran.code, "run it with that of the console" in ran.err) == (1, True)
        assert "address, which the setting EGRESS_ALLOW does not allow." in ran.out
    assert set(ServiceNode.objects.values_list("last_verdict", flat=True)) == {"accepted"}
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    assert "EGRESS_ALLOW" not in run("test_fleet").err


def test_what_cannot_run(certificate: ClientCertificate, settings: Settings, tmp_path: Path) -> None:
    for options in (
        ["--bot", "nobody"],
        ["--version", "staged"],
        ["--certificate", "platform/bank", "--version", 9],
    ):
        assert run("test_fleet", *options).code == 2
    assert not ConnectionTest.objects.exists()
    settings.KEYRING_FILE = tmp_path / "none.json"
    sealed = run("test_fleet")
    assert sealed.code == 2
    assert "Traceback" not in sealed.err
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fleet")], "nothing goes on"
