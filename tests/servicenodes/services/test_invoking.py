"""The real call against real servers: what is sent, what is presented, and when nothing is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.models import ClientCertificate, SealedKey, VersionStatus
from servicenodes import counters
from servicenodes.counter_models import CallCounter
from servicenodes.models import SealedHeader, ServiceNode
from servicenodes.services import invoking
from servicenodes.services.filling import MAX_PAYLOAD
from servicenodes.services.invoking import CallFailed, CallRefused
from tests.factories import add_version, make_trust_store
from tests.pki import CA
from tests.servers import free_port
from tests.servicenodes.services.calls import VALUES, Bank, actions, call, change, echo_bank

pytestmark = pytest.mark.django_db


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


def test_the_method_may_be_a_variable(node: ServiceNode, operator: Actor, bank: Bank) -> None:
    node = change(operator, node, method="{{method}}", url=f"{bank.peer.url}x", headers={}, body="")
    assert json.loads(call(operator, node, variables={"method": "PATCH"}).body)["method"] == "PATCH"
    before = len(bank.peer.recorded())
    for value in ("TRACE", "get", "GET /x"):
        with pytest.raises(InvalidInput, match="“method” stands for the method, and is none of GET") as caught:
            call(operator, node, variables={"method": value})
        assert caught.value.field == "method"
    with pytest.raises(InvalidInput, match="no value"):
        call(operator, node, variables={})
    assert len(bank.peer.recorded()) == before


def test_a_payload_goes_in_place_of_the_body(node: ServiceNode, operator: Actor) -> None:
    variables = {"account": 1, "note": "x"}
    outcome = call(operator, node, variables=variables, payload=b"\x00raw", content_type="application/x-bank")
    seen = json.loads(outcome.body)
    sent = {name.lower(): value for name, value in seen["headers"].items()}
    assert (seen["body"], sent["content-type"]) == ("\x00raw", "application/x-bank")
    with pytest.raises(InvalidInput, match="KiB"):
        call(operator, node, variables=variables, payload=b"x" * (MAX_PAYLOAD + 1))


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
