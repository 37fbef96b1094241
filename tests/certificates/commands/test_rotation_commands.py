"""`promote_version`, `rollback_version`, `retire_version`, `destroy_version`: output and exit codes."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from servicenodes.services.proving import compare_versions
from tests.certificates.commands.test_commands import run
from tests.certificates.services.test_rotation import EXPIRED, add, slot, statuses
from tests.factories import make_node

pytestmark = pytest.mark.django_db


def test_a_renewal_and_back(bot: Bot) -> None:
    slot(bot, "active", "staged")
    ran = run("promote_version", "acme/bank")
    assert (ran.code, statuses()) == (0, ["retired", "active"])
    assert ran.out == "“acme/bank”: version 2 was staged and is active.\nVersion 1 is retired.\n"
    again = run("promote_version", "acme/bank", "--version", 2, "--json")
    assert again.document == {
        "certificate": "acme/bank",
        "version": 2,
        "was": "active",
        "status": "active",
        "active": 2,
        "active_before": 2,
        "changed": False,
        "proof": "",
        "same_key": [],
    }
    back = run("rollback_version", "acme/bank", "--json")
    assert (back.code, back.document["version"], back.document["active"], back.document["active_before"]) == (
        0,
        1,
        1,
        2,
    )
    assert statuses() == ["active", "retired"]
    nowhere = run("rollback_version", "acme/bank")
    assert (nowhere.code, "no earlier version" in nowhere.err) == (2, True)


def test_the_end_of_a_version(bot: Bot) -> None:
    certificate = slot(bot, "retired", "active", "staged")
    retired = run("retire_version", "acme/bank", "--version", 3)
    assert retired.out == "“acme/bank”: version 3 was staged and is retired.\n"
    add(certificate, 4, "retired", spki_sha256=certificate.versions.get(number=3).spki_sha256)
    for number, told in ((1, ""), (3, "! The same private key is still held by acme/bank version 4.\n")):
        destroyed = run("destroy_version", "acme/bank", "--version", number)
        assert (destroyed.code, destroyed.err) == (0, told)
    again = run("destroy_version", "acme/bank", "--version", 1)
    assert (again.code, "nothing to do" in again.out) == (0, True)
    assert statuses() == ["destroyed", "active", "destroyed", "retired"]
    refused = run("destroy_version", "acme/bank", "--version", 2)
    assert (refused.code, "is active" in refused.err) == (2, True)


def test_force(bot: Bot) -> None:
    certificate = slot(bot, "active")
    make_node(bot, "balance", certificate=certificate)
    add(certificate, 2, "staged", **EXPIRED)
    assert run("promote_version", "acme/bank").code == 2
    assert run("promote_version", "acme/bank", "--force").code == 0
    in_use = run("retire_version", "acme/bank", "--version", 2)
    assert (in_use.code, "“acme/balance”" in in_use.err) == (2, True)
    stopped = run("retire_version", "acme/bank", "--version", 2, "--force")
    assert (stopped.code, "No version is active" in stopped.err) == (0, True)
    told = run("retire_version", "acme/bank", "--version", 2, "--json")
    assert (told.code, told.document["active"], told.document["changed"]) == (0, None, False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["promote_version", "acme/none"],
        ["promote_version", "acme/bank", "--version", "7"],
        ["rollback_version", "acme/bank", "--actor", "developer"],
        ["rollback_version", "globex/bank", "--actor", "developer"],
    ],
)
def test_what_cannot_run_exits_with_two(bot: Bot, other_bot: Bot, developer: User, arguments: list[str]) -> None:
    slot(bot, "retired", "active", "staged")
    slot(other_bot, "retired", "active")
    assert run(*arguments).code == 2
    assert not AuditEvent.objects.exists()


def test_tests_that_speak_against_a_promotion(bot: Bot, operator: Actor) -> None:
    certificate = slot(bot, "active", "staged")
    make_node(bot, certificate=certificate)
    compare_versions(actor=operator, certificate=certificate)
    refused = run("promote_version", "acme/bank")
    assert (refused.code, statuses()) == (1, ["active", "staged"])
    assert "is not proven on every service node" in refused.err
    assert "--reason" in refused.err
    insisted = run("promote_version", "acme/bank", "--reason", "They follow", "--json")
    assert (insisted.code, insisted.document["proof"]) == (0, "Not proven: 0 of 1 service node tested.")
    assert run("rollback_version", "acme/bank").code == 0
    assert run("promote_version", "acme/bank", "--version", 2, "--force").code == 0


def test_that_nothing_was_proven_is_said(bot: Bot) -> None:
    make_node(bot, certificate=slot(bot, "active", "staged"))
    ran = run("promote_version", "acme/bank")
    assert (ran.code, "was tested on none of the service nodes" in ran.err) == (0, True)
