"""Within the fallback window, and only then, a call that a server rejects is made once more with the version before."""

from __future__ import annotations

import json
import ssl
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
from certificates.services.fallback import earlier_version, set_fallback
from certificates.services.rotation import destroy, promote, roll_back
from servicenodes import counters
from servicenodes.counter_models import CallCounter
from servicenodes.models import ServiceNode
from servicenodes.services import invoking
from servicenodes.services.answers import answer_as_json
from servicenodes.services.invoking import CallFailed, invoke_node
from servicenodes.services.trying import try_call
from tests.factories import add_version, make_certificate, make_version
from tests.servers import nginx_server, python_server
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


NOT_SENT = (
    b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>"
    b"<center>No required SSL certificate was sent</center></body></html>"
)


@pytest.mark.parametrize(
    ("status", "page", "rejected"),
    [
        (b"400 Bad Request", b'{"error": "no such account: The SSL certificate error"}', False),
        (b"400 Bad Request", b"<html><head><title>Oops</title></head>The SSL certificate error</html>", False),
        (b"400 Bad Request", NOT_SENT, True),
        (b"495 SSL Certificate Error", b"", True),
    ],
    ids=["echo", "page with the words", "page passed on", "unofficial status"],
)
def test_what_an_application_has_seen_is_never_repeated(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor, status: bytes, page: bytes, rejected: bool
) -> None:
    """Both versions are trusted, so each request reaches the application."""
    reached: list[bytes] = []

    def application(connection: ssl.SSLSocket) -> None:
        reached.append(connection.recv(65536))
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(page))
        connection.sendall(head + page)

    server = both.servers.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, client_ca=both.old, behaviour=application) as peer:
        peer.trust(both.new)
        node = both.node(bot, "app", peer, certificate)
        set_fallback(actor=operator, certificate=certificate, days=1)
        if rejected:
            with pytest.raises(CallFailed) as failed:
                invoke_node(actor=operator, node=node)
            assert not failed.value.certificate_refused
        else:
            assert invoke_node(actor=operator, node=node).body == page
    assert len(reached) == 1


def test_a_server_that_let_the_certificate_in_before_does_not_refuse_it_on_the_same_connection(
    both: Banks, bot: Bot, certificate: ClientCertificate, operator: Actor
) -> None:
    reached: list[bytes] = []
    page = NOT_SENT.replace(b"No required SSL certificate was sent", b"The SSL certificate error")

    def application(connection: ssl.SSLSocket) -> None:
        for status, body in ((b"200 OK", b"fine"), (b"400 Bad Request", page)):
            reached.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    server = both.servers.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, client_ca=both.old, behaviour=application) as peer:
        peer.trust(both.new)
        node = both.node(bot, "app", peer, certificate)
        set_fallback(actor=operator, certificate=certificate, days=1)
        assert invoke_node(actor=operator, node=node).status == 200
        with pytest.raises(CallFailed) as failed:
            invoke_node(actor=operator, node=node)
    assert (failed.value.reused, failed.value.certificate_refused, len(reached)) == (True, False, 2)


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


def test_an_older_version_than_the_one_before_is_not_presented(
    both: Banks, slow: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    """Version 2 was destroyed because it was stolen; version 1, which the bank would take, was replaced before it."""
    add_version(certificate, both.new.issue("three.example"), number=3, status=VersionStatus.STAGED)
    promote(actor=operator, certificate=certificate)
    destroy(actor=operator, certificate=certificate, number=2)
    set_fallback(actor=operator, certificate=certificate, days=1)
    certificate.refresh_from_db()
    assert certificate.fallback_until is None, "nothing to fall back to"
    ClientCertificate.objects.update(fallback_until=timezone.now() + timedelta(days=1))
    with pytest.raises(CallFailed):
        invoke_node(actor=operator, node=slow)


@pytest.mark.parametrize(("begin", "end", "found"), [(-2, 2, True), (-2, -1, False), (1, 2, False)])
def test_only_a_version_that_is_valid_is_presented_again(bot: Bot, begin: int, end: int, *, found: bool) -> None:
    now, day = timezone.now(), timedelta(days=1)
    certificate = make_certificate(bot)
    certificate.versions.update(turn=2)
    validity = {"not_before": now + begin * day, "not_after": now + end * day}
    before = make_version(certificate, number=2, status="retired", turn=1, **validity)
    ClientCertificate.objects.update(fallback_until=now + day)
    assert earlier_version(certificate) == (before if found else None)


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
