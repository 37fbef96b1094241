"""The real call against real servers: what is sent, what is presented, and when nothing is."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, TrustStore, VersionStatus
from certificates.services.defaults import clear_default, set_default
from certificates.services.importing import import_certificate
from servicenodes import counters
from servicenodes.models import CallCounter, SealedHeader, ServiceNode
from servicenodes.services import invoking, plans
from servicenodes.services.invoking import CallFailed, CallRefused, InvokeOutcome, invoke_node
from servicenodes.services.nodes import change_node, create_node
from tests.factories import add_version, make_certificate, make_trust_store, upload
from tests.pki import CA
from tests.servers import free_port
from tests.servicenodes.services.calls import Bank, echo_bank

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    with echo_bank() as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    counters._gathered.reset()
    yield
    invoking.close()
    counters._gathered.reset()


@pytest.fixture
def certificate(bot: Bot, bank: Bank) -> ClientCertificate:
    return make_certificate(bot, "bank", issued=bank.authority.issue("one.example"))


@pytest.fixture
def trust(bot: Bot, bank: Bank) -> TrustStore:
    return make_trust_store(bot, "bank-roots", authorities=(bank.server_authority,))


@pytest.fixture
def node(bot: Bot, bank: Bank, certificate: ClientCertificate, trust: TrustStore, operator: Actor) -> ServiceNode:
    return create_node(
        actor=operator,
        bot=bot,
        name="Pay",
        method="POST",
        url=bank.peer.url + "accounts/{{account}}/payments?note={{note}}",
        headers={"Authorization": "Bearer canary", "X-Trace": "t-{{account}}", "Accept": "application/json"},
        body='{"note": "{{note}}", "amount": {{amount}}}',
        certificate=certificate,
        trust_store=trust,
        timeout_s=5,
    )


VALUES: dict[str, Any] = {"account": "A/1", "note": 'a"b&c', "amount": 12.5}


def call(actor: Actor, node: ServiceNode, **options: Any) -> InvokeOutcome:
    return invoke_node(actor=actor, node=node, **{"variables": VALUES, **options})


def change(actor: Actor, node: ServiceNode, **changes: Any) -> ServiceNode:
    return change_node(actor=actor, node=node, expected_revision=node.revision, **changes)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def test_the_request_is_what_the_node_says(node: ServiceNode, operator: Actor, bank: Bank) -> None:
    outcome = call(operator, node)
    seen = json.loads(outcome.body)
    assert (outcome.status, seen["method"]) == (200, "POST")
    assert seen["target"] == "/accounts/A%2F1/payments?note=a%22b%26c"
    assert json.loads(seen["body"]) == {"note": 'a"b&c', "amount": 12.5}
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert sent["authorization"] == "Bearer canary"
    assert (sent["x-trace"], sent["content-type"]) == ("t-A/1", "application/json")
    version = node.certificate.active_version if node.certificate else None
    assert version is not None
    presented = (outcome.certificate, outcome.version, outcome.sha256, outcome.rule)
    assert presented == ("acme/bank", 1, version.sha256, "node")
    assert {"connect", "handshake", "first_byte", "total"} <= outcome.timing_ms.keys()
    assert bank.clients()[-1] == "one.example"


def test_a_payload_goes_in_place_of_the_body(node: ServiceNode, operator: Actor) -> None:
    variables = {"account": 1, "note": "x"}
    outcome = call(operator, node, variables=variables, payload=b"\x00raw", content_type="application/x-bank")
    seen = json.loads(outcome.body)
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert (seen["body"], sent["content-type"]) == ("\x00raw", "application/x-bank")
    with pytest.raises(InvalidInput, match="KiB"):
        call(operator, node, variables=variables, payload=b"x" * (invoking.MAX_PAYLOAD + 1))


def test_variables_are_strict(node: ServiceNode, operator: Actor, bank: Bank) -> None:
    before = len(bank.peer.recorded())
    for variables, name in (
        ({"account": 1, "note": "x"}, "amount"),
        ({**VALUES, "extra": 1}, "extra"),
        ({**VALUES, "account": ".."}, "account"),
        ({**VALUES, "account": "a\r\nHost: evil"}, "account"),
    ):
        with pytest.raises(InvalidInput, match=f"“{name}”"):
            call(operator, node, variables=variables)
    assert len(bank.peer.recorded()) == before
    assert "key.opened" not in actions()


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


# --- Fail closed ------------------------------------------------------------------------------------------------------


def refusal(actor: Actor, node: ServiceNode) -> CallRefused:
    with pytest.raises(CallRefused) as refused:
        call(actor, node)
    assert refused.value.advice
    assert "The call was not made" in refused.value.text
    return refused.value


def test_a_certificate_that_cannot_be_presented_stops_the_call(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor, bank: Bank, settings: Settings, tmp_path: Path
) -> None:
    before = len(bank.peer.recorded())
    call(operator, node)
    with time_machine.travel(timezone.now() + timedelta(days=4000)):
        refused = refusal(operator, node)
    assert (refused.code, refused.certificate, refused.rule) == ("certificate_expired", "acme/bank", "node")
    assert "Version 1 of “acme/bank” expired on" in refused.text
    assert "attached to this service node" in refused.text
    with time_machine.travel(timezone.now() - timedelta(days=4000)):
        assert refusal(operator, node).code == "certificate_not_yet_valid"
    certificate.versions.update(status=VersionStatus.RETIRED)
    assert refusal(operator, node).code == "no_active_version"
    certificate.versions.update(status=VersionStatus.ACTIVE)
    invoking.close()
    SealedKey.objects.update(envelope=b"BPE1 broken")
    assert refusal(operator, node).code == "certificate_unusable"
    settings.KEYRING_FILE = tmp_path / "missing.json"
    assert refusal(operator, node).code == "sealed"
    invoking.close()
    refused = refusal(operator, node)
    assert (refused.code, "secret headers" in refused.text) == ("sealed", True)
    assert len(bank.peer.recorded()) == before + 1


def test_headers_that_do_not_open_stop_the_call(node: ServiceNode, operator: Actor) -> None:
    SealedHeader.objects.update(envelope=b"BPE1 broken")
    assert refusal(operator, node).code == "headers_unusable"


def test_without_a_certificate_only_a_node_that_allows_it_calls(node: ServiceNode, bot: Bot, operator: Actor) -> None:
    node = change(operator, node, certificate=None)
    refused = refusal(operator, node)
    assert (refused.code, refused.certificate, refused.rule) == ("no_certificate", None, "none")
    with echo_bank(client_ca=None) as public:
        store = make_trust_store(bot, "public", authorities=(public.server_authority,))
        node = change(
            operator, node, require_mutual_tls=False, url=public.peer.url, trust_store=store, sealed_headers={}
        )
        variables = {"account": 1, "note": "", "amount": 1}
        outcome = call(operator, node, variables=variables)
        assert (outcome.status, outcome.certificate, outcome.version, outcome.rule) == (200, None, None, "none")


def test_a_server_that_never_asks_is_not_called(
    node: ServiceNode, bot: Bot, operator: Actor, certificate: ClientCertificate
) -> None:
    with echo_bank(client_ca=None) as public:
        store = make_trust_store(bot, "public", authorities=(public.server_authority,))
        node = change(operator, node, url=public.peer.url, trust_store=store, sealed_headers={})
        with pytest.raises(CallFailed) as failed:
            call(operator, node)
        assert failed.value.verdict.value == "not_requested"
        node = change(operator, node, require_mutual_tls=False)
        outcome = call(operator, node)
        assert (outcome.status, outcome.certificate, outcome.rule) == (200, None, "node")


def test_a_certificate_goes_only_to_its_hosts(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor, bank: Bank
) -> None:
    before = len(bank.peer.recorded())
    ClientCertificate.objects.update(allowed_hosts=["api.bank.example"])
    refused = refusal(operator, node)
    assert refused.code == "host_not_allowed"
    assert "localhost" in refused.text
    assert len(bank.peer.recorded()) == before
    ClientCertificate.objects.update(allowed_hosts=["api.bank.example", "localhost"])
    assert call(operator, node).status == 200


def test_a_wrong_certificate_is_rejected_in_the_words_of_the_test(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    certificate.versions.update(status=VersionStatus.RETIRED)
    add_version(certificate, CA.root("Other CA").issue("stranger.example"), number=2)
    with pytest.raises(CallFailed) as failed:
        call(operator, node)
    assert (failed.value.verdict.value, failed.value.reason) == ("rejected", "unknown_ca_or_missing_intermediate")


def test_calls_are_counted_by_outcome(node: ServiceNode, certificate: ClientCertificate, operator: Actor) -> None:
    call(operator, node)
    url = f"https://localhost:{free_port()}/{{{{account}}}}?n={{{{note}}}}"
    node = change(operator, node, url=url, sealed_headers={})
    with pytest.raises(CallFailed):
        call(operator, node)
    certificate.versions.update(status=VersionStatus.RETIRED)
    refusal(operator, node)
    with CaptureQueriesContext(connection) as queries:
        counters.flush()
    assert len(queries) <= 5
    traffic = counters.traffic_of_nodes([node])[node.pk]
    assert traffic.outcomes == {"answered": 1, "network_error": 1, "refused": 1}
    assert traffic.total == traffic.answered + sum(traffic.failures.values()) + traffic.refused
    used = CallCounter.objects.filter(version__isnull=False).values_list("outcome", "calls")
    assert list(used) == [("answered", 1)]  # the others never sent the certificate


def test_who_may_call(
    node: ServiceNode, developer: User, viewer: User, auditor: User, stranger: User, bank: Bank
) -> None:
    assert call(Actor.of(developer), node).status == 200
    before = len(bank.peer.recorded())
    for user in (viewer, auditor, stranger):
        with pytest.raises(NotAllowed):
            call(Actor.of(user), node)
    assert len(bank.peer.recorded()) == before


def test_a_redirect_is_told_and_not_followed(node: ServiceNode, operator: Actor, bank: Bank) -> None:
    node = change(operator, node, url=bank.peer.url + "status/302", headers={}, body="", sealed_headers={})
    outcome = call(operator, node, variables={})
    assert (outcome.status, outcome.location) == (302, "https://169.254.169.254/")
