"""`import_certificate`, `list_certificates`, `import_trust_store`: output and exit codes of the contract."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate, TrustAnchor
from tests.factories import make_certificate, make_version
from tests.pki import CA, Issued

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def run(name: str, *arguments: object) -> Ran:
    """Run a command as a shell would see it."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as ended:
        return Ran(int(ended.code or 0), out.getvalue(), err.getvalue())
    except CommandError as error:
        return Ran(error.returncode, out.getvalue(), f"{err.getvalue()}{error}")
    return Ran(0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def issued() -> Issued:
    return CA.root().intermediate("Test issuing CA").issue("bot.example")


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


Save = Callable[[str, bytes], Path]


def test_an_import_in_json_is_one_document(bot: Bot, issued: Issued, save: Save) -> None:
    p12 = save("bank.p12", issued.p12(b"open sesame", include_root=True))
    secret = save("pass", b"open sesame\n")
    ran = run("import_certificate", "acme/bank", p12, "--passphrase-file", secret, "--default", "--json")

    assert (ran.code, ran.err) == (0, "")
    document = ran.document
    assert document["importable"]
    assert (document["certificate"], document["version"], document["changed"]) == ("acme/bank", 1, True)
    assert document["leaf"]["eku"] == ["clientAuth"]
    assert document["root"]["subject"]
    assert ClientCertificate.objects.get().is_default

    again = run("import_certificate", "acme/bank", p12, "--passphrase-file", secret, "--json")
    assert (again.code, again.document["changed"], again.document["version"]) == (0, False, 1)


def test_an_import_for_people_names_what_was_found(bot: Bot, issued: Issued, save: Save) -> None:
    files = [save("leaf.pem", issued.cert_pem), save("key.pem", issued.key_pem), save("pile.pem", issued.chain_pem)]
    ran = run("import_certificate", "acme/bank", *files)
    assert ran.code == 0
    assert "leaf          CN=bot.example" in ran.out
    assert "intermediate  CN=Test issuing CA" in ran.out
    assert "“acme/bank”: version 1 is active." in ran.out
    assert "nothing to do" in run("import_certificate", "acme/bank", *files).out


def test_the_platform_default_of_an_installation(issued: Issued, save: Save) -> None:
    pem = save("client.pem", issued.chain_pem + issued.key_pem)
    assert run("import_certificate", "platform/default", pem, "--default").code == 0
    assert ClientCertificate.objects.get(bot=None).is_default


def test_check_and_stage(bot: Bot, issued: Issued, save: Save) -> None:
    pem = save("client.pem", issued.chain_pem + issued.key_pem)
    checked = run("import_certificate", "acme/bank", pem, "--check", "--json")
    assert (checked.code, checked.document["changed"], checked.document["version"]) == (0, True, None)
    assert not ClientCertificate.objects.exists()
    assert run("import_certificate", "acme/bank", pem, "--stage").code == 0
    assert CertificateVersion.objects.get().status == "staged"


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_what_is_refused_exits_with_one_and_still_prints_the_document(bot: Bot, save: Save, check: list[str]) -> None:
    expired = CA.root().expired("bot.example")
    pem = save("old.pem", expired.chain_pem + expired.key_pem)
    ran = run("import_certificate", "acme/bank", pem, "--json", *check)
    assert ran.code == 1
    assert not ran.document["importable"]
    assert "expired" in {found["code"] for found in ran.document["findings"]}
    assert not ClientCertificate.objects.exists()

    assert run("import_certificate", "acme/bank", pem, "--allow", "expired").code == 0
    assert CertificateVersion.objects.get().allowed_findings == ["expired"]


def test_a_wrong_passphrase_exits_with_one_and_no_passphrase_is_shown(bot: Bot, issued: Issued, save: Save) -> None:
    p12 = save("bank.p12", issued.p12(b"open sesame"))
    secret = save("pass", b"hunter2-wrong")
    for arguments, code in ((["--passphrase-file", secret], "passphrase_wrong"), ([], "passphrase_required")):
        ran = run("import_certificate", "acme/bank", p12, "--json", *arguments)
        assert (ran.code, ran.document["error"]["code"]) == (1, code)
        assert "hunter2" not in ran.out + ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody/bank", "{pem}"],
        ["acme", "{pem}"],
        ["acme/Bad Name", "{pem}"],
        ["acme/bank", "/does/not/exist"],
        ["acme/bank", "{pem}", "--actor", "nobody"],
        ["acme/bank", "{pem}", "--actor", "developer"],
        ["globex/bank", "{pem}", "--actor", "developer"],
    ],
)
def test_what_cannot_run_exits_with_two(
    bot: Bot, other_bot: Bot, developer: User, issued: Issued, save: Save, arguments: list[str]
) -> None:
    pem = str(save("client.pem", issued.chain_pem + issued.key_pem))
    ran = run("import_certificate", *[pem if argument == "{pem}" else argument for argument in arguments])
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err
    assert not ClientCertificate.objects.exists()


def test_a_sealed_console_exits_with_two(
    bot: Bot, issued: Issued, save: Save, settings: Settings, tmp_path: Path
) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    ran = run("import_certificate", "acme/bank", save("client.pem", issued.chain_pem + issued.key_pem))
    assert (ran.code, ran.out) == (2, "")
    assert "keyring" in ran.err


def test_the_actor_is_on_record(bot: Bot, manager: User, issued: Issued, save: Save) -> None:
    run("import_certificate", "acme/bank", save("c.pem", issued.chain_pem + issued.key_pem), "--actor", "manager")
    assert set(AuditEvent.objects.values_list("actor_name", flat=True)) == {"manager"}


def test_a_list_of_all_and_of_one_bot(bot: Bot, other_bot: Bot, developer: User) -> None:
    make_certificate(bot, "bank", is_default=True)
    make_certificate(other_bot, "theirs")
    make_certificate(None, "shared")
    empty = make_certificate(bot, "later")
    empty.versions.update(status="retired")

    paths = [row["certificate"] for row in run("list_certificates", "--json").document["certificates"]]
    assert sorted(paths) == ["acme/bank", "acme/later", "globex/theirs", "platform/shared"]
    shown = run("list_certificates", "--bot", "acme")
    assert shown.code == 0
    assert "acme/bank (default): version 1" in shown.out
    assert "acme/later: no active version" in shown.out
    assert "theirs" not in shown.out
    seen = run("list_certificates", "--actor", "developer", "--json").document["certificates"]
    assert "globex/theirs" not in {row["certificate"] for row in seen}
    assert run("list_certificates", "--bot", "globex", "--actor", "developer").code == 2


def test_what_expires_soon_exits_with_one(bot: Bot) -> None:
    now = datetime.now(UTC)
    for name, days in (("soon", 10), ("gone", -3), ("later", 200)):
        certificate = ClientCertificate.objects.create(bot=bot, name=name)
        make_version(certificate, not_after=now + timedelta(days=days, hours=1))

    ran = run("list_certificates", "--expiring-within", "30", "--json")
    assert ran.code == 1
    assert {row["certificate"]: row["days_left"] for row in ran.document["certificates"]} == {
        "acme/gone": -3,
        "acme/soon": 10,
    }
    told = run("list_certificates", "--expiring-within", "30").out
    assert "expired 2 days ago" in told  # as pages say it: whole days that have passed
    assert "expires in 10 days" in told
    assert "acme/gone" in run("list_certificates", "--expiring-within", "0").out
    many = run("list_certificates", "--expiring-within", "30").err
    assert many == "2 client certificates expiring within 30 days.\n"
    none = run("list_certificates", "--expiring-within", "30", "--radar").err
    assert none == "No client certificate without clientAuth, now or when renewed, expiring within 30 days.\n"


@pytest.mark.parametrize("days", ["-5", "soon", "99999"])
def test_days_that_are_none(days: str) -> None:
    ran = run("list_certificates", f"--expiring-within={days}")
    assert ran.code != 0
    assert f"a whole number from 0 to 36500, not “{days}”" in ran.err


@pytest.mark.parametrize("many", [1, 50])
def test_a_list_costs_a_constant_number_of_queries(
    many: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bot = Bot.objects.create(slug="acme", name="Acme")
    for _ in range(many):
        make_certificate(bot)
    with django_assert_num_queries(2):
        assert len(run("list_certificates", "--json").document["certificates"]) == many


def test_trust_stores(bot: Bot, save: Save) -> None:
    root = CA.root("Bank root")
    pem = save("ca.pem", root.pem)
    ran = run("import_trust_store", "bank-roots", pem, "--bot", "acme", "--json")
    assert (ran.code, ran.document) == (
        0,
        {
            "trust_store": "acme/bank-roots",
            "revision": 1,
            "anchors": 1,
            "added": [root.certificate.subject.rfc4514_string()],
            "changed": True,
            "warnings": [],
        },
    )
    assert "nothing changed" in run("import_trust_store", "bank-roots", pem, "--bot", "acme").out
    assert "1 added, 1 in all" in run("import_trust_store", "company", pem).out
    path = run("import_trust_store", "acme/bank-roots", pem)
    assert (path.code, "the bot it belongs to is named by --bot" in path.err) == (2, True)
    leaf = run("import_trust_store", "company", save("leaf.pem", CA.root().issue("bot.example").cert_pem))
    assert "! “bot.example” is not a CA: it verifies only a server" in leaf.err
    assert run("import_trust_store", "bank-roots", pem, "--bot", "nobody").code == 2
    assert run("import_trust_store", "bank-roots", save("junk", b"junk")).code == 2
    assert TrustAnchor.objects.count() == 3
