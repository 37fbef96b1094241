"""A call costs next to nothing when nothing changed, and what did change counts for the very next one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate, TrustStore, VersionStatus
from certificates.services.defaults import clear_default, set_default
from certificates.services.importing import import_certificate
from servicenodes.counter_models import CallCounter
from servicenodes.models import ServiceNode
from servicenodes.services import plans
from servicenodes.services.invoking import CallFailed
from tests.factories import add_version, make_certificate, upload
from tests.servicenodes.services.calls import Bank, actions, call, change

pytestmark = pytest.mark.django_db


def test_one_query_when_nothing_changed_and_one_opening(
    node: ServiceNode, operator: Actor, bank: Bank, django_assert_num_queries: Any
) -> None:
    before = len(bank.peer.recorded())
    call(operator, node)
    opened = actions().count("key.opened"), actions().count("headers.opened")
    for _ in range(3):
        with django_assert_num_queries(1):
            assert call(operator, node).reused
    assert opened == (1, 1) == (actions().count("key.opened"), actions().count("headers.opened"))
    assert len(bank.peer.recorded()) == before + 1
    event = AuditEvent.objects.get(action="key.opened")
    assert event.facts["purpose"] == "invoke"


@pytest.mark.django_db(transaction=True)
def test_no_table_is_read_when_nothing_was_committed(node: ServiceNode, bot: Bot, operator: Actor, bank: Bank) -> None:
    call(operator, node)
    call(operator, node)
    marks = [] if connection.vendor == "sqlite" else ["SELECT pg_current_snapshot()::text"]
    asked: list[list[str]] = []
    while len(asked) < 20 and marks not in asked:  # as in tests/api/test_remembering.py: others commit, too
        with CaptureQueriesContext(connection) as queries:
            assert call(operator, node).reused
        asked.append([query["sql"] for query in queries])
    assert asked[-1] == marks
    assert connection.vendor != "sqlite" or len(asked) == 1

    def promote() -> None:
        issued = bank.authority.issue("two.example")
        import_certificate(actor=operator, owner=bot, name="bank", files=upload(issued), passphrase=None)
        connection.close()

    elsewhere = threading.Thread(target=promote)
    elsewhere.start()
    elsewhere.join()
    assert call(operator, node).version == 2
    stamp = plans._current_stamp(node)
    with transaction.atomic():
        CertificateVersion.objects.filter(number=2).update(status=VersionStatus.RETIRED)
        assert plans._current_stamp(node) != stamp  # a transaction sees its own changes
        transaction.set_rollback(True)
    assert plans._current_stamp(node) == stamp  # and nobody those that were taken back


def test_every_change_counts_for_the_very_next_call(
    node: ServiceNode, bot: Bot, certificate: ClientCertificate, trust: TrustStore, operator: Actor, bank: Bank
) -> None:
    assert call(operator, node).version == 1
    result = import_certificate(
        actor=operator, owner=bot, name="bank", files=upload(bank.authority.issue("two.example")), passphrase=None
    )
    outcome = call(operator, node)
    assert (outcome.version, bank.clients()[-1]) == (2, "two.example")
    assert result.version is not None
    assert outcome.sha256 == result.version.sha256

    other = make_certificate(bot, "other", issued=bank.authority.issue("three.example"))
    set_default(actor=operator, certificate=other)
    node = change(operator, node, certificate=None)
    outcome = call(operator, node)
    assert (outcome.certificate, outcome.rule, bank.clients()[-1]) == ("acme/other", "bot", "three.example")
    platform = make_certificate(None, "hosted", issued=bank.authority.issue("four.example"))
    set_default(actor=operator, certificate=platform)
    clear_default(actor=operator, certificate=other)
    outcome = call(operator, node)
    assert (outcome.certificate, outcome.rule, bank.clients()[-1]) == ("platform/hosted", "platform", "four.example")

    node = change(operator, node, sealed_headers={"Authorization": "Bearer second"}, headers={"X-B": "{{account}}"})
    seen = {name.lower(): value for name, value in json.loads(call(operator, node).body)["headers"].items()}
    assert (seen["authorization"], seen["x-b"], "x-trace" in seen) == ("Bearer second", "A/1", False)

    trust.anchors.all().delete()
    TrustStore.objects.update(revision=2)
    with pytest.raises(CallFailed) as failed:
        call(operator, node)
    assert failed.value.verdict.value == "server_untrusted"


def test_a_promotion_undone_while_a_plan_is_made_leaves_no_trace(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamps before and after are the same, and what was read between them is another version."""
    first = certificate.versions.get()
    second = add_version(certificate, bank.authority.issue("two.example"), number=2, status=VersionStatus.RETIRED)
    build = plans._build
    made: list[plans.CallPlan] = []

    def activate(version: CertificateVersion, other: CertificateVersion) -> None:
        CertificateVersion.objects.filter(pk=other.pk).update(status=VersionStatus.RETIRED)
        CertificateVersion.objects.filter(pk=version.pk).update(status=VersionStatus.ACTIVE)

    def meanwhile(actor: Actor, key: uuid.UUID) -> plans.CallPlan:
        if made:
            return build(actor, key)
        activate(second, first)
        made.append(build(actor, key))
        activate(first, second)
        return made[0]

    monkeypatch.setattr(plans, "_build", meanwhile)
    outcome = call(operator, node)
    assert made[0].version == second
    assert (outcome.version, bank.clients()[-1]) == (1, "one.example")


CALL = """
import sys, django
django.setup()
from botplatform.accounts.actors import Actor
from servicenodes.models import ServiceNode
from servicenodes.services.invoking import invoke_node
node = ServiceNode.objects.select_related("bot").get()
print("ready", flush=True)
for line in sys.stdin:
    outcome = invoke_node(actor=Actor.platform(), node=node, variables={"account": 1, "note": "n", "amount": 2})
    print(outcome.version, outcome.reused, flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_another_process_presents_the_promoted_version_at_once(
    node: ServiceNode, bot: Bot, operator: Actor, bank: Bank, product_environment: dict[str, str]
) -> None:
    environment = product_environment | {"EGRESS_ALLOW": "127.0.0.0/8,::1", "SECRET_KEY": "x"}
    environment["PYTHONPATH"] = str(Path.cwd())
    with subprocess.Popen(
        [sys.executable, "-c", CALL], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert process.stdout.readline().strip() == "ready"
        assert [ask(), ask()] == ["1 False", "1 True"]
        issued = bank.authority.issue("two.example")
        import_certificate(actor=operator, owner=bot, name="bank", files=upload(issued), passphrase=None)
        assert [ask(), ask()] == ["2 False", "2 True"]
        assert bank.clients()[-1] == "two.example"
        process.stdin.close()
        assert process.wait(20) == 0
    written = CallCounter.objects.order_by("version__number").values_list("version__number", "outcome", "calls")
    assert list(written) == [(1, "answered", 2), (2, "answered", 2)]
