"""Connection tests from the request to the stored report, against real servers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot, Membership
from botplatform.errors import InvalidInput, NotAllowed, NotFound
from certificates.errors import Sealed
from certificates.key_storage import create_keyring
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, TrustStore, VersionStatus
from servicenodes.errors import REFUSALS, TooManyTests
from servicenodes.models import ConnectionTest, RunState, ServiceNode
from servicenodes.services import probing
from servicenodes.services.basis import basis_of
from servicenodes.services.limits import TESTS_PER_TARGET, TESTS_PER_USER
from servicenodes.services.requests import ProbeOptions
from servicenodes.tasks import run_connection_test
from servicenodes.tls.observation import Step
from tests.api.caller import make_token
from tests.factories import add_version, make_certificate, make_node, make_test, make_trust_store, make_version
from tests.pki import CA
from tests.servers import Peer, free_port, openssl_server, python_server

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Bank:
    """A server that requires a certificate of `authority`."""

    peer: Peer
    authority: CA
    server_authority: CA


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    authority, server_authority = CA.root("Bank client CA"), CA.root("Bank server CA")
    server = server_authority.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, client_ca=authority) as peer:
        yield Bank(peer, authority, server_authority)


@pytest.fixture(autouse=True)
def egress(settings: Settings, bank: Bank) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


@pytest.fixture
def certificate(bot: Bot, bank: Bank) -> ClientCertificate:
    return make_certificate(bot, "bank", issued=bank.authority.issue("acme.bot.example"))


@pytest.fixture
def trust(bot: Bot, bank: Bank) -> TrustStore:
    return make_trust_store(bot, "bank-roots", authorities=(bank.server_authority,))


@pytest.fixture
def node(bot: Bot, bank: Bank, certificate: ClientCertificate, trust: TrustStore) -> ServiceNode:
    return make_node(bot, "balance", url=bank.peer.url, certificate=certificate, trust_store=trust, timeout_s=5)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def test_from_the_request_to_the_report(node: ServiceNode, developer: User, bank: Bank) -> None:
    test = probing.request_test(actor=Actor.of(developer), node=node)
    assert test.state.value == "queued"
    assert test.target == f"localhost:{bank.peer.port}"
    assert DBTaskResult.objects.get().args_kwargs["args"] == [str(test.pk)]

    probing.run_test(test.pk)

    test.refresh_from_db()
    assert test.state is RunState.FINISHED
    assert (test.verdict, test.reason) == ("accepted", "proven"), test.summary
    assert test.version == ClientCertificate.objects.get().active_version
    assert test.report is not None
    assert test.report["node"] == "acme/balance"
    assert test.report["client_certificate"]["source"] == "node"
    assert test.report["client_certificate"]["sent"] == "certificate"
    assert test.steps == test.report["steps"]
    assert "CN=acme.bot.example" in bank.peer.recorded()[-1].subject.replace("commonName", "CN")
    assert actions() == ["connection.test_requested", "key.opened", "connection.tested"]
    events = AuditEvent.objects.order_by("position")
    assert {event.actor_name for event in events} == {"developer"}
    assert events[2].facts["verdict"] == "accepted"
    assert verify_trail().ok


def test_the_task_runs_the_test_once(node: ServiceNode, operator: Actor) -> None:
    test = probing.request_test(actor=operator, node=node)
    run_connection_test.call(str(test.pk))
    run_connection_test.call(str(test.pk))
    run_connection_test.call(str(uuid.uuid4()))
    assert actions().count("connection.tested") == 1


def test_steps_are_stored_as_they_happen(node: ServiceNode, operator: Actor) -> None:
    stored: list[list[str]] = []

    def look(_: Step) -> None:
        test = ConnectionTest.objects.get()
        assert test.state is RunState.RUNNING
        stored.append([step["name"] for step in test.steps])

    probing.test_now(actor=operator, node=node, on_step=look)

    assert stored[0] == ["resolve"]
    assert stored[-1][-1] == "http"
    assert all(len(earlier) <= len(later) for earlier, later in pairwise(stored))


def test_the_default_is_presented_where_nothing_is_attached(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    ServiceNode.objects.update(certificate=None)
    ClientCertificate.objects.update(is_default=True)
    node.refresh_from_db()
    report = probing.test_now(actor=operator, node=node).report or {}
    assert (report["verdict"], report["client_certificate"]["source"]) == ("accepted", "bot")


def test_without_any_certificate_the_server_says_no(node: ServiceNode, operator: Actor) -> None:
    ServiceNode.objects.update(certificate=None)
    node.refresh_from_db()
    test = probing.test_now(actor=operator, node=node)
    assert (test.verdict, test.basis) == ("no_certificate", basis_of(node, None))
    assert test.version is None
    assert "key.opened" not in actions()


def test_a_certificate_of_another_authority_is_rejected_and_a_fitting_one_suggested(
    node: ServiceNode, bot: Bot, other_bot: Bot, bank: Bank, operator: Actor
) -> None:
    wrong = make_certificate(bot, "wrong", issued=CA.root("Other CA").issue("acme.bot.example"))
    make_certificate(other_bot, "foreign", issued=bank.authority.issue("globex.example"))
    make_certificate(bot, "old", issued=bank.authority.expired("old.example"))
    copy = ClientCertificate.objects.create(bot=bot, name="copy-of-bank")
    facts = ("subject", "issuer", "sha256", "not_before", "not_after")
    original = CertificateVersion.objects.get(certificate__name="bank")
    make_version(copy, **{name: getattr(original, name) for name in facts})
    server = bank.server_authority.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with openssl_server(server, client_ca=bank.authority) as peer:  # it names the issuers it accepts
        ServiceNode.objects.update(certificate=wrong, url=peer.url)
        node.refresh_from_db()
        test = probing.test_now(actor=operator, node=node)

    assert (test.verdict, test.reason) == ("rejected", "unknown_ca_or_missing_intermediate")
    assert test.report is not None
    assert test.report["suggested_certificates"] == ["acme/bank"]


def test_a_certificate_that_cannot_be_presented_makes_no_connection(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor, bank: Bank
) -> None:
    before = len(bank.peer.recorded())
    certificate.versions.update(status=VersionStatus.RETIRED)
    test = probing.test_now(actor=operator, node=node)
    assert test.verdict == "certificate_unusable"
    assert "no active version" in (test.report or {})["summary"] + str((test.report or {})["advice"]) + str(test.steps)

    certificate.versions.update(status=VersionStatus.ACTIVE)
    SealedKey.objects.update(envelope=b"BPE1 not an envelope")
    closed = probing.test_now(actor=operator, node=node)
    assert (test.reason, closed.verdict, closed.reason) == (
        "no_active_version",
        "certificate_unusable",
        "cannot_be_opened",
    )
    assert len(bank.peer.recorded()) == before
    assert "key.opened" not in actions()


def test_a_sealed_console_says_so(node: ServiceNode, operator: Actor, settings: Settings, tmp_path: Path) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    with pytest.raises(Sealed):
        probing.test_now(actor=operator, node=node)
    assert ConnectionTest.objects.get().state is RunState.INTERRUPTED

    queued = probing.request_test(actor=operator, node=node)
    probing.run_test(queued.pk)
    queued.refresh_from_db()
    assert (queued.verdict, queued.reason) == ("certificate_unusable", "sealed")

    settings.KEYRING_FILE = tmp_path / "another.json"  # of another installation: it loads, and opens nothing
    create_keyring(settings.KEYRING_FILE)
    queued = probing.request_test(actor=operator, node=node)
    probing.run_test(queued.pk)
    queued.refresh_from_db()
    assert (queued.verdict, queued.reason) == ("certificate_unusable", "sealed")


def test_a_host_that_is_not_allowed_is_told_in_the_words_of_a_call(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    ClientCertificate.objects.filter(pk=certificate.pk).update(allowed_hosts=["elsewhere.example"])
    test = probing.test_now(actor=operator, node=node)
    assert (test.verdict, test.reason) == ("certificate_unusable", "host_not_allowed")
    assert tuple((test.report or {})["advice"]) == REFUSALS["host_not_allowed"]


def test_what_is_expired_is_tested_and_told_not_to_be_called_with(
    node: ServiceNode, certificate: ClientCertificate, operator: Actor
) -> None:
    certificate.versions.update(not_after=timezone.now() - timedelta(days=1))
    report = probing.test_now(actor=operator, node=node).report or {}
    assert report["advice"][0].startswith(f"No call is made with version 1 of “{certificate.path}”: it expired on ")


def test_an_address_that_is_not_allowed_is_not_called(node: ServiceNode, operator: Actor, settings: Settings) -> None:
    settings.EGRESS_ALLOW = []
    test = probing.test_now(actor=operator, node=node)
    assert test.verdict == "address_denied"


def test_a_closed_port_is_a_network_error(node: ServiceNode, operator: Actor) -> None:
    ServiceNode.objects.update(url=f"https://localhost:{free_port()}/")
    node.refresh_from_db()
    test = probing.test_now(actor=operator, node=node)
    assert (test.verdict, test.reason) == ("network_error", "refused")


def test_a_staged_version_is_tested_before_it_is_promoted(
    node: ServiceNode, certificate: ClientCertificate, bank: Bank, operator: Actor
) -> None:
    with pytest.raises(NotFound, match="no staged version"):
        probing.test_now(actor=operator, node=node, options=ProbeOptions(version="staged"))
    assert not ConnectionTest.objects.exists()
    staged = add_version(certificate, bank.authority.issue("next.example"), number=2, status=VersionStatus.STAGED)
    for selector in ("staged", 2):
        test = probing.test_now(actor=operator, node=node, options=ProbeOptions(version=selector))
        assert (test.verdict, test.version) == ("accepted", staged)


def test_options_go_before_what_the_node_says(node: ServiceNode, bot: Bot, operator: Actor) -> None:
    other = make_certificate(bot, "other", issued=CA.root("Other CA").issue("other.example"))
    test = probing.test_now(actor=operator, node=node, options=ProbeOptions(certificate=other, control=False))
    assert test.verdict == "rejected"
    assert test.report is not None
    assert test.report["client_certificate"]["source"] == "option"
    assert test.report["attempts"]["control"] is None

    nobody = make_trust_store(bot, authorities=(CA.root("Nobody"),))
    test = probing.test_now(actor=operator, node=node, options=ProbeOptions(trust_store=nobody))
    assert test.verdict == "server_untrusted"


def test_bad_options_are_refused_before_anything_is_stored(node: ServiceNode, other_bot: Bot, operator: Actor) -> None:
    for options in (
        ProbeOptions(min_tls="1.3", max_tls="1.2"),
        ProbeOptions(server_name="not a name"),
        ProbeOptions(certificate=make_certificate(other_bot)),
        ProbeOptions(trust_store=make_trust_store(other_bot)),
    ):
        with pytest.raises(InvalidInput):
            probing.test_now(actor=operator, node=node, options=options)
    assert not ConnectionTest.objects.exists()


def test_a_worker_that_dies_leaves_an_interrupted_test(node: ServiceNode, operator: Actor) -> None:
    test = probing.request_test(actor=operator, node=node)
    ConnectionTest.objects.update(started_at=timezone.now(), lease_until=timezone.now() + timedelta(seconds=40))
    test.refresh_from_db()
    assert test.state.value == "running"
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert test.state is RunState.INTERRUPTED
    probing.run_test(test.pk)
    test.refresh_from_db()
    assert test.finished_at is None


def test_an_error_in_between_gives_the_lease_back(node: ServiceNode, operator: Actor) -> None:
    class Crash(Exception):
        pass

    def crash(_: Step) -> None:
        raise Crash

    with pytest.raises(Crash):
        probing.test_now(actor=operator, node=node, on_step=crash)
    assert ConnectionTest.objects.get().state is RunState.INTERRUPTED


def test_who_may_test(node: ServiceNode, viewer: User, auditor: User, stranger: User) -> None:
    for user in (viewer, auditor, stranger):
        with pytest.raises(NotAllowed):
            probing.request_test(actor=Actor.of(user), node=node)
        with pytest.raises(NotAllowed):
            probing.test_now(actor=Actor.of(user), node=node)
        with pytest.raises(NotAllowed):
            probing.probe_url(actor=Actor.of(user), url=node.url)
    assert not ConnectionTest.objects.exists()


def test_a_permission_lost_meanwhile_stops_the_test(node: ServiceNode, developer: User) -> None:
    test = probing.request_test(actor=Actor.of(developer), node=node)
    Membership.objects.all().delete()
    probing.run_test(test.pk)
    test.refresh_from_db()
    assert test.verdict == "certificate_unusable"
    assert "key.opened" not in actions()


def test_a_key_is_opened_only_for_a_connection(
    node: ServiceNode, operator: Actor, bank: Bank, settings: Settings
) -> None:
    settings.EGRESS_ALLOW = []
    denied = probing.test_now(actor=operator, node=node)
    assert (denied.verdict, "EGRESS_ALLOW does not allow" in denied.summary) == ("address_denied", True)
    assert actions() == ["connection.test_requested", "connection.tested"]
    assert denied.report is not None
    assert "-cert " in denied.report["reproduce"]["openssl"], "what would be presented is known without the key"
    ServiceNode.objects.update(url="https://nobody.invalid/")
    node.refresh_from_db()
    assert probing.test_now(actor=operator, node=node).verdict == "network_error"
    assert "key.opened" not in actions()


def test_a_denial_counts_where_the_console_and_not_where_a_command_may_not_call(
    node: ServiceNode, operator: Actor, settings: Settings
) -> None:
    probing.test_now(actor=operator, node=node)
    settings.EGRESS_ALLOW = []
    here = probing.test_now(actor=operator, node=node)
    node.refresh_from_db()
    assert (here.verdict, node.last_verdict) == ("address_denied", "accepted")
    probing.run_test(probing.request_test(actor=operator, node=node).pk)
    node.refresh_from_db()
    assert node.last_verdict == "address_denied"


def test_a_denial_counts_where_a_token_calls_which_is_within_the_console(
    node: ServiceNode, developer: User, operator: Actor, settings: Settings
) -> None:
    probing.test_now(actor=operator, node=node)
    settings.EGRESS_ALLOW = []
    token, _ = make_token(developer, node.bot)
    probing.test_now(actor=Actor.of_token(token), node=node)
    node.refresh_from_db()
    assert node.last_verdict == "address_denied"


def test_a_user_may_start_so_many_tests_a_minute(node: ServiceNode, developer: User, operator: Actor) -> None:
    for _ in range(TESTS_PER_USER):
        make_test(node, user=developer, target="elsewhere.example:443")
    with pytest.raises(
        TooManyTests, match=r"You have started 30 tests within a minute\. Try again in \d+ seconds\."
    ) as limit:
        probing.request_test(actor=Actor.of(developer), node=node)
    assert 50 <= limit.value.retry_after_s <= 60
    probing.request_test(actor=operator, node=node)
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        probing.request_test(actor=Actor.of(developer), node=node)


def test_a_target_sees_so_many_tests_a_minute(node: ServiceNode, bank: Bank, developer: User) -> None:
    for _ in range(TESTS_PER_TARGET):
        make_test(node, target=f"localhost:{bank.peer.port}")
    with pytest.raises(TooManyTests, match="has seen 30 tests"):
        probing.request_test(actor=Actor.of(developer), node=node)


def test_a_url_without_a_node(
    bank: Bank, certificate: ClientCertificate, trust: TrustStore, operator: Actor, developer: User
) -> None:
    options = ProbeOptions(certificate=certificate, trust_store=trust)
    report = probing.probe_url(actor=operator, url=bank.peer.url, options=options)

    assert (report["verdict"], report["node"]) == ("accepted", None)
    assert report["client_certificate"]["source"] == "option"
    assert not ConnectionTest.objects.exists()
    assert actions() == ["connection.test_requested", "key.opened", "connection.tested"]
    assert probing.probe_url(actor=Actor.of(developer), url=bank.peer.url, options=options)["verdict"] == "accepted"
