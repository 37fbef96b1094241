"""The commands about nodes and their certificates, and `test_connection`: output and exit codes of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, TrustStore, VersionStatus
from servicenodes.models import ConnectionTest, ServiceNode
from tests.certificates.commands.test_commands import run
from tests.factories import add_version, make_certificate, make_node, make_trust_store
from tests.pki import CA
from tests.servers import Peer, python_server

pytestmark = pytest.mark.django_db
CLIENT_CA, SERVER_CA = CA.root("Bank client CA"), CA.root("Bank server CA")
REPORT_KEYS = {
    *("node", "url", "started_at", "duration_ms", "verdict", "reason", "certainty", "layer", "summary", "advice"),
    *("steps", "server", "certificate_request", "client_certificate", "attempts", "http", "findings"),
    *("suggested_certificates", "reproduce"),
}


@pytest.fixture(scope="module")
def bank() -> Iterator[Peer]:
    server = SERVER_CA.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with python_server(server, client_ca=CLIENT_CA) as peer:
        yield peer


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]


@pytest.fixture
def certificate(bot: Bot) -> ClientCertificate:
    return make_certificate(bot, "bank", issued=CLIENT_CA.issue("acme.bot.example"))


@pytest.fixture
def trust(bot: Bot) -> TrustStore:
    return make_trust_store(bot, "bank-roots", authorities=(SERVER_CA,))


@pytest.fixture
def node(bot: Bot, bank: Peer, certificate: ClientCertificate, trust: TrustStore) -> ServiceNode:
    return make_node(bot, "balance", url=bank.url, certificate=certificate, trust_store=trust, timeout_s=5)


def test_a_node_is_created(bot: Bot) -> None:
    make_certificate(bot, "bank")
    make_trust_store(None, "company")
    ran = run(
        "create_node",
        *("acme/pay", "--url", "https://api.bank.example/pay", "--method", "POST", "--certificate", "acme/bank"),
        *("--trust-store", "company", "--min-tls", "1.3", "--json"),
    )
    assert (ran.code, ran.document["node"]) == (0, "acme/pay")
    node = ServiceNode.objects.get()
    assert (node.method, node.min_tls, str(node.certificate), str(node.trust_store)) == (
        *("POST", "1.3", "acme/bank", "platform/company"),
    )
    assert run("create_node", "acme/pay", "--url", "https://api.bank.example/pay").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["pay", "--url", "https://a.example/"],
        ["nobody/pay", "--url", "https://a.example/"],
        ["acme/Pay", "--url", "https://a.example/"],
        ["acme/pay", "--url", "http://a.example/"],
        ["acme/pay", "--url", "https://a.example/", "--certificate", "acme/none"],
        ["acme/pay", "--url", "https://a.example/", "--certificate", "globex/theirs"],
        ["acme/pay", "--url", "https://a.example/", "--trust-store", "none"],
        ["acme/pay", "--url", "https://a.example/", "--actor", "viewer"],
    ],
)
def test_a_node_that_cannot_be_created(bot: Bot, other_bot: Bot, viewer: User, arguments: list[str]) -> None:
    make_certificate(other_bot, "theirs")
    ran = run("create_node", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert not ServiceNode.objects.exists()


def test_attaching_and_detaching(bot: Bot, other_bot: Bot) -> None:
    make_certificate(bot, "bank")
    make_certificate(None, "shared", is_default=True)
    make_node(bot, "one")
    make_node(bot, "two")
    make_node(other_bot, "theirs")

    assert run("attach_certificate", "acme/bank", "acme/one").out == "“acme/one”: “acme/bank” attached.\n"
    ran = run("attach_certificate", "acme/bank", "acme/one", "acme/two", "--json")
    assert ran.document == {"certificate": "acme/bank", "changed": ["acme/two"]}
    assert run("attach_certificate", "acme/bank", "globex/theirs").code == 2
    assert run("attach_certificate", "acme/none", "acme/one").code == 2
    assert run("detach_certificate", "acme/one").out == "“acme/one”: detached; it presents “platform/shared”.\n"
    assert "nothing was attached" in run("detach_certificate", "acme/one").out
    assert run("detach_certificate", "acme/two", "acme/nothing").code == 2
    assert ServiceNode.objects.filter(certificate__isnull=False).count() == 1


def test_an_accepted_connection_for_people(node: ServiceNode) -> None:
    ran = run("test_connection", "acme/balance")
    assert ran.code == 0
    assert ran.out.startswith("accepted (proven)\n")
    assert "✓ resolve: " in ran.err
    assert "http: " in ran.err
    assert ConnectionTest.objects.get().verdict == "accepted"


def test_the_json_is_one_document_with_every_key(node: ServiceNode) -> None:
    ran = run("test_connection", "acme/balance", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.document) == REPORT_KEYS
    assert ran.document == ConnectionTest.objects.get().report


def test_any_other_verdict_exits_with_one(node: ServiceNode, bot: Bot) -> None:
    make_certificate(bot, "wrong", issued=CA.root("Other CA").issue("acme.bot.example"))
    ran = run("test_connection", "acme/balance", "--certificate", "acme/wrong")
    assert ran.code == 1
    assert ran.out.startswith("rejected (unknown_ca_or_missing_intermediate)")
    assert "→ " in ran.out


def test_options_reach_the_engine(node: ServiceNode, certificate: ClientCertificate) -> None:
    add_version(certificate, CLIENT_CA.issue("next.example"), number=2, status=VersionStatus.STAGED)
    options = (
        "--version",
        "staged",
        "--no-control",
        "--timeout",
        "3",
        "--server-name",
        "localhost",
        "--tls-min",
        "1.3",
    )
    ran = run("test_connection", "acme/balance", *options, "--json")
    assert ran.document["client_certificate"]["version"] == 2
    assert ran.document["attempts"]["control"] is None

    assert (
        run("test_connection", "acme/balance", "--tls-max", "1.2", "--json").document["verdict"] == "protocol_mismatch"
    )
    wrong = run("test_connection", "acme/balance", "--server-name", "other.example", "--json").document
    assert wrong["verdict"] == "hostname_mismatch"
    canary = run("test_connection", "acme/balance", "--canary", "--json").document
    assert canary["attempts"]["canary"] is not None


def test_a_url_without_a_node(
    bank: Peer, certificate: ClientCertificate, trust: TrustStore, tmp_path: Path, developer: User
) -> None:
    anchors = tmp_path / "bank.pem"
    anchors.write_bytes(SERVER_CA.pem)
    for trusting in (("--trust-file", anchors), ("--trust-store", "bank-roots")):
        arguments = ("--url", bank.url, "--certificate", "acme/bank", *trusting, "--actor", "developer", "--json")
        ran = run("test_connection", *arguments)
        assert (ran.code, ran.document["verdict"], ran.document["node"]) == (0, "accepted", None)
    assert run("test_connection", "--url", bank.url, "--json").document["verdict"] == "server_untrusted"
    assert not ConnectionTest.objects.exists()
    assert AuditEvent.objects.filter(action="connection.tested", object_name=f"localhost:{bank.port}").count() == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["acme/nothing"],
        ["balance"],
        ["acme/balance", "--version", "7"],
        ["acme/balance", "--version", "staged"],
        ["acme/balance", "--certificate", "acme/none"],
        ["acme/balance", "--certificate", "globex/theirs"],
        ["acme/balance", "--trust-file", "/does/not/exist"],
        ["acme/balance", "--tls-min", "1.3", "--tls-max", "1.2"],
        ["acme/balance", "--proxy", "socks5://proxy:1"],
        ["acme/balance", "--actor", "viewer"],
        ["--url", "http://localhost/"],
        ["--url", "https://localhost/", "--version", "2"],
        ["--url", "https://localhost/", "--actor", "viewer"],
    ],
)
def test_what_cannot_run_exits_with_two(node: ServiceNode, other_bot: Bot, viewer: User, arguments: list[str]) -> None:
    make_certificate(other_bot, "theirs")
    ran = run("test_connection", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert not ConnectionTest.objects.exists()


def test_a_sealed_console_exits_with_two(node: ServiceNode, settings: Settings, tmp_path: Path) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    ran = run("test_connection", "acme/balance", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "keyring" in ran.err
