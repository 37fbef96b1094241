"""Within the fallback window, and only then, a call that a server rejects is made once more with the version before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.models import ClientCertificate, VersionStatus
from certificates.services.fallback import set_fallback
from certificates.services.rotation import destroy, promote, roll_back
from servicenodes import counters
from servicenodes.models import CallCounter, ServiceNode
from servicenodes.services import invoking
from servicenodes.services.answers import answer_as_json
from servicenodes.services.invoking import CallFailed, invoke_node
from servicenodes.services.trying import try_call
from tests.factories import add_version
from tests.servers import nginx_server
from tests.servicenodes.services.proving import Banks, banks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def both() -> Iterator[Banks]:
    with banks() as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    counters._gathered.reset()
    yield
    invoking.close()
    counters._gathered.reset()


@pytest.fixture
def certificate(both: Banks, bot: Bot) -> ClientCertificate:
    """Version 2, of the new CA, is active; version 1 was before."""
    made = both.renewed(bot)
    promote(actor=Actor.operating_system(), certificate=made)
    return made


@pytest.fixture
def slow(both: Banks, bot: Bot, certificate: ClientCertificate) -> ServiceNode:
    """A node whose bank trusts the old CA only."""
    return both.node(bot, "slow", both.slow, certificate)


def outcomes() -> dict[tuple[str, int | None], int]:
    counters.flush()
    rows = CallCounter.objects.values_list("outcome", "version__number", "calls")
    return {(outcome, number): calls for outcome, number, calls in rows}


def test_only_within_the_window(
    both: Banks, bot: Bot, certificate: ClientCertificate, slow: ServiceNode, operator: Actor
) -> None:
    quick = both.node(bot, "quick", both.quick, certificate)
    with pytest.raises(CallFailed) as rejected:
        invoke_node(actor=operator, node=slow)
    assert rejected.value.certificate_refused
    set_fallback(actor=operator, certificate=certificate, days=7)
    before = len(both.slow.recorded())
    outcome = invoke_node(actor=operator, node=slow)
    assert (outcome.status, outcome.version, outcome.fell_back_from) == (200, 1, 2)
    assert json.loads(outcome.body)["client"] == "one.example"
    assert answer_as_json(outcome)["client_certificate"]["fell_back_from"] == 2
    assert invoke_node(actor=operator, node=slow).reused, "the connection of the version before is kept"
    assert len(both.slow.recorded_after(before)) == 1, "both calls on one connection"
    assert invoke_node(actor=operator, node=quick).fell_back_from is None
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)), pytest.raises(CallFailed):
        invoke_node(actor=operator, node=slow)
    set_fallback(actor=operator, certificate=certificate, days=0)
    with pytest.raises(CallFailed):
        invoke_node(actor=operator, node=slow)
    assert outcomes() == {("rejected", 2): 3, ("fell_back", 1): 2, ("answered", 2): 1}
    traffic = counters.traffic_of_nodes([slow])[slow.pk]
    assert (traffic.total, traffic.answered, traffic.failures) == (5, 2, {"rejected": 3})
    (fallback,) = counters.fallbacks_of(slow)
    assert (fallback.calls, fallback.version.number) == (2, 1)  # type: ignore[union-attr]


def test_a_payload_arrives_once(
    both: Banks, certificate: ClientCertificate, slow: ServiceNode, manager: User, operator: Actor
) -> None:
    set_fallback(actor=operator, certificate=certificate, days=1)
    slow.method = "POST"
    slow.save(update_fields=["method"])
    before = len(both.slow.recorded())
    outcome = try_call(actor=Actor.of(manager), node=slow, variables={}, payload=b"pay 5", content_type="text/plain")
    assert json.loads(outcome.body)["body"] == "pay 5"
    assert [seen.subject.rpartition("=")[2] for seen in both.slow.recorded_after(before)] == ["one.example"]
    assert AuditEvent.objects.get(action="call.ended").facts["fell_back_from"] == 2


def test_a_rejection_in_http_falls_back_too(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor
) -> None:
    server = both.servers.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with nginx_server(server, client_ca=both.old) as peer:
        node = both.node(bot, "nginx", peer, certificate)
        set_fallback(actor=operator, certificate=certificate, days=1)
        outcome = invoke_node(actor=operator, node=node)
    assert (outcome.status < 400, outcome.version, outcome.fell_back_from) == (True, 1, 2)


def test_what_is_no_rejection_does_not_fall_back(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor
) -> None:
    set_fallback(actor=operator, certificate=certificate, days=1)
    with pytest.raises(CallFailed) as failed:
        invoke_node(actor=operator, node=both.node(bot, "down", None, certificate))
    assert failed.value.verdict == "network_error"
    missing = invoke_node(actor=operator, node=both.node(bot, "quick", both.quick, certificate))
    assert (missing.status, missing.version) == (200, 2)


def test_where_neither_is_taken_the_active_one_is_told(
    both: Banks, bot: Bot, slow: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    add_version(certificate, both.new.issue("three.example"), number=3, status=VersionStatus.STAGED)
    set_fallback(actor=operator, certificate=certificate, days=1)
    promote(actor=operator, certificate=certificate)
    with pytest.raises(CallFailed) as failed:
        invoke_node(actor=operator, node=slow)
    assert failed.value.client_certificate is not None
    assert failed.value.client_certificate["version"] == 3
    assert outcomes() == {("rejected", 3): 1}


def test_what_is_gone_is_not_presented(
    both: Banks, slow: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    set_fallback(actor=operator, certificate=certificate, days=1)
    assert invoke_node(actor=operator, node=slow).version == 1
    destroy(actor=operator, certificate=certificate, number=1)
    with pytest.raises(CallFailed):
        invoke_node(actor=operator, node=slow)


def test_a_promotion_opens_it_and_a_rollback_closes_it(
    both: Banks, bot: Bot, operator: Actor, manager: User, developer: User
) -> None:
    certificate = both.renewed(bot)
    set_fallback(actor=Actor.of(manager), certificate=certificate, days=3)
    certificate.refresh_from_db()
    assert certificate.fallback_until is None, "nothing to fall back to"
    state = certificate.state
    promote(actor=operator, certificate=certificate)
    certificate.refresh_from_db()
    assert certificate.fallback_until is not None
    assert timedelta(days=2, hours=23) < certificate.fallback_until - timezone.now() < timedelta(days=3)
    assert certificate.state != state
    roll_back(actor=operator, certificate=certificate)
    certificate.refresh_from_db()
    assert certificate.fallback_until is None
    with pytest.raises(NotAllowed):
        set_fallback(actor=Actor.of(developer), certificate=certificate, days=3)
    with pytest.raises(InvalidInput):
        set_fallback(actor=operator, certificate=certificate, days=91)
    changed = AuditEvent.objects.get(action="certificate.changed")
    assert changed.facts == {"fallback_days": {"from": 0, "to": 3}}
