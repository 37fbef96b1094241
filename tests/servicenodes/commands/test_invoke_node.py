"""`invoke_node`: what goes where, and the exit codes of the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from servicenodes.models import ServiceNode
from tests.certificates.commands.test_commands import run
from tests.factories import make_certificate, make_node, make_trust_store
from tests.servers import free_port
from tests.servicenodes.services.calls import Bank

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(bot: Bot, bank: Bank) -> ServiceNode:
    return make_node(
        bot,
        "pay",
        method="POST",
        url=bank.peer.url + "status/{{status}}",
        body="[{{number}}]",
        certificate=make_certificate(bot, "bank", issued=bank.authority.issue("one.example")),
        trust_store=make_trust_store(bot, "roots", authorities=(bank.server_authority,)),
        timeout_s=5,
    )


def test_the_body_goes_to_stdout(node: ServiceNode) -> None:
    ran = run("invoke_node", "acme/pay", "--var", "status=200", "--var", "number=7")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["body"] == "[7]"
    assert "HTTP 200 in" in ran.err
    assert "acme/bank version 1" in ran.err
    assert list(AuditEvent.objects.order_by("position").values_list("action", flat=True)) == [
        "call.requested",
        "key.opened",
        "call.ended",
    ]


def test_json(node: ServiceNode, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"raw")
    ran = run("invoke_node", "acme/pay", "--var", "status=201", "--data", f"@{tmp_path / 'data'}", "--json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert (document["status"], document["body_encoding"], document["truncated"]) == (201, "text", False)
    assert json.loads(document["body"])["body"] == "raw"
    assert "set-cookie" not in document["headers"]
    chosen = document["client_certificate"]
    assert (chosen["certificate"], chosen["version"], chosen["source"]) == ("acme/bank", 1, "node")


def test_the_answer_is_no(node: ServiceNode) -> None:
    ran = run("invoke_node", "acme/pay", "--var", "status=404", "--var", "number=7", "--json")
    assert (ran.code, json.loads(ran.out)["status"]) == (1, 404)
    ServiceNode.objects.update(url=f"https://localhost:{free_port()}/", body="", revision=2)
    ran = run("invoke_node", "acme/pay", "--json")
    assert (ran.code, json.loads(ran.out)["verdict"]) == (1, "network_error")
    ran = run("invoke_node", "acme/pay")
    assert (ran.code, ran.out) == (1, "")
    assert "refused the connection" in ran.err


def test_it_could_not_run(node: ServiceNode) -> None:
    for arguments, text in (
        (["acme/nothing"], "no service node"),
        (["acme/pay"], "“number” has no value"),
        (["acme/pay", "--var", "status=1", "--data", "file"], "@FILE"),
        (["acme/pay", "--var", "status=1", "--data", "@/nonexistent"], "cannot be read"),
    ):
        ran = run("invoke_node", *arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert text in ran.err
    ClientCertificate.objects.update(allowed_hosts=["elsewhere.example"])
    ran = run("invoke_node", "acme/pay", "--var", "status=200", "--var", "number=7")
    assert ran.code == 2
    assert "The call was not made" in ran.err
