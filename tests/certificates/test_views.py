"""The pages of certificates and trust stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.actions import Action
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, TrustStore, VersionStatus
from certificates.services import defaults
from tests.factories import make_certificate, make_node, make_test, make_trust_store, make_version
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def certificates(bot: Bot, other_bot: Bot) -> None:
    bank = ClientCertificate.objects.create(bot=bot, name="bank-api")
    soon = datetime.now(UTC) + timedelta(days=9)
    make_version(
        bank, subject="CN=acme-bot", issuer="CN=Bank CA", serial="abc123ff", sha256="5e88" * 16, not_after=soon
    )
    make_certificate(bot, "other", is_default=True)
    make_certificate(None, "shared")
    make_certificate(other_bot, "secret-one")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"acme/bank-api", "acme/other", "platform/shared"}),
        ({"q": "bank-a"}, {"acme/bank-api"}),
        ({"q": "acme/bank"}, {"acme/bank-api"}),
        ({"q": "platform/shared"}, {"platform/shared"}),
        ({"q": "acme/shared"}, set()),
        ({"q": "CN=acme-bot"}, {"acme/bank-api"}),
        ({"q": "Bank CA"}, {"acme/bank-api"}),
        ({"q": "abc123ff"}, {"acme/bank-api"}),
        ({"q": "AB:C1:23:FF"}, {"acme/bank-api"}),
        ({"q": "5e885e88"}, {"acme/bank-api"}),
        ({"q": "5E:88:5E:88"}, {"acme/bank-api"}),
        ({"show": "expiring"}, {"acme/bank-api"}),
        ({"show": "expired"}, set()),
        ({"show": "default"}, {"acme/other"}),
        ({"q": "secret-one"}, set()),
        ({"q": "%"}, set()),
    ],
)
def test_the_list_finds_what_is_looked_for(
    sign_in: SignIn, viewer: User, certificates: None, query: dict[str, str], found: set[str]
) -> None:
    page = sign_in(viewer).get("/certificates/", query)
    assert {certificate.path for certificate in page.context["page"]} == found


@pytest.mark.parametrize("count", [3, 60])
def test_the_list_costs_the_same_however_long(
    sign_in: SignIn, viewer: User, bot: Bot, count: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        make_certificate(bot)
    client = sign_in(viewer)
    with django_assert_max_num_queries(6):
        client.get("/certificates/?q=client")


def test_one_certificate_shows_versions_use_and_tests(sign_in: SignIn, owner: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank-api")
    version = certificate.versions.get()
    make_version(certificate, number=2, status="staged")
    node = make_node(bot, "get-balance", certificate=certificate)
    make_test(node, verdict="accepted", version=version, presented=True)
    make_test(node, verdict="network_error", version=version)  # nothing was presented
    page = sign_in(owner).get("/bots/acme/certificates/bank-api/").content.decode()
    assert "Network error" not in page
    for words in ("Active: version 1", "Version 2", "staged", "get-balance", "Accepted", "Make it the default"):
        assert words in page


def test_a_foreign_and_a_missing_certificate_look_the_same(
    sign_in: SignIn, owner: User, other_bot: Bot, bot: Bot
) -> None:
    make_certificate(other_bot, "theirs")
    client = sign_in(owner)
    answers = [client.get(url) for url in ("/bots/globex/certificates/theirs/", "/bots/acme/certificates/none/")]
    assert [answer.status_code for answer in answers] == [404, 404]
    told = [answer.content.decode().partition("<main")[2] for answer in answers]  # the menu repeats the address
    assert told[0] == told[1]


def test_the_default_is_set_and_cleared(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank-api")
    client = sign_in(manager)
    page = client.post("/bots/acme/certificates/bank-api/default/", {"act": "set"}, follow=True)
    assert "now the default of Acme assistant" in page.content.decode()
    certificate.refresh_from_db()
    assert certificate.is_default
    client.post("/bots/acme/certificates/bank-api/default/", {"act": "clear"})
    certificate.refresh_from_db()
    assert not certificate.is_default


def test_what_cannot_be_presented_is_not_made_the_default(sign_in: SignIn, manager: User, bot: Bot) -> None:
    make_certificate(bot, "staged", status=VersionStatus.STAGED)
    page = sign_in(manager).post("/bots/acme/certificates/staged/default/", {"act": "set"}, follow=True)
    assert "has no active version" in page.content.decode()
    assert not ClientCertificate.objects.get().is_default


def test_the_platforms_default_is_not_a_managers_to_choose(sign_in: SignIn, manager: User) -> None:
    make_certificate(None, "shared")
    client = sign_in(manager)
    assert client.get("/platform/certificates/shared/").status_code == 200
    assert client.post("/platform/certificates/shared/default/").status_code == 403
    assert client.get("/platform/certificates/import/").status_code == 403


def test_what_is_in_use_is_not_deleted_and_the_page_says_by_what(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank-api")
    node = make_node(bot, "get-balance", certificate=certificate)
    client = sign_in(manager)
    page = client.post("/bots/acme/certificates/bank-api/delete/", follow=True)
    assert "acme/get-balance" in page.content.decode()
    assert ClientCertificate.objects.filter(pk=certificate.pk).exists()
    node.delete()
    client.post("/bots/acme/certificates/bank-api/delete/")
    assert not ClientCertificate.objects.filter(pk=certificate.pk).exists()


def test_trust_stores_are_imported_shown_and_deleted(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    upload = SimpleUploadedFile("ca.pem", CA.root("Bank root").pem)
    page = client.post("/bots/acme/trust-stores/import/", {"name": "bank", "files": [upload]}, follow=True)
    assert "1 trust anchor added" in page.content.decode()
    assert "Bank root" in page.content.decode()
    upload.seek(0)
    again = client.post("/bots/acme/trust-stores/import/", {"name": "bank", "files": [upload]}, follow=True)
    assert "acme/bank holds these certificates already: nothing is changed." in again.content.decode()
    assert "acme/bank" in client.get("/trust-stores/").content.decode()
    client.post("/bots/acme/trust-stores/bank/delete/")
    assert not TrustStore.objects.exists()


def test_a_leaf_as_trust_anchor_is_told(sign_in: SignIn, manager: User, bot: Bot) -> None:
    upload = SimpleUploadedFile("leaf.pem", CA.root().issue("bot.example").cert_pem)
    client = sign_in(manager)
    page = client.post("/bots/acme/trust-stores/import/", {"name": "bank", "files": [upload]}, follow=True)
    assert "“bot.example” is not a CA" in page.content.decode()


def test_a_file_without_certificate_is_an_error_beside_the_field(sign_in: SignIn, manager: User, bot: Bot) -> None:
    upload = SimpleUploadedFile("ca.pem", b"not a certificate")
    page = sign_in(manager).post("/bots/acme/trust-stores/import/", {"name": "bank", "files": [upload]})
    assert page.status_code == 422
    assert "id_files_error" in page.content.decode()
    assert 'value="bank"' in page.content.decode()


def test_an_empty_file_is_named(sign_in: SignIn, manager: User, bot: Bot) -> None:
    upload = SimpleUploadedFile("roots.pem", b"")
    page = sign_in(manager).post("/bots/acme/trust-stores/import/", {"name": "bank", "files": [upload]})
    assert page.status_code == 422
    assert "roots.pem is empty: export it again." in page.content.decode()


def test_a_trust_store_in_use_is_not_deleted(sign_in: SignIn, manager: User, bot: Bot) -> None:
    store = make_trust_store(bot, "bank")
    make_node(bot, "get-balance", trust_store=store)
    page = sign_in(manager).post("/bots/acme/trust-stores/bank/delete/", follow=True)
    assert "acme/get-balance" in page.content.decode()
    assert TrustStore.objects.exists()


def test_what_follows_on_its_like_is_one_line_of_the_history(sign_in: SignIn, owner: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank")
    acts = (Action.CERTIFICATE_CREATED, Action.KEY_OPENED, Action.KEY_OPENED, Action.KEY_OPENED, Action.DEFAULT_SET)
    for action in acts:
        defaults.record(Actor.of(owner), action, certificate, {})
    page = sign_in(owner).get(certificate.get_absolute_url()).content.decode()
    assert page.count("key opened") == 1
    assert "key opened 3 times" in page
    assert "certificate created 1 times" not in page
