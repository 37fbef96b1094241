"""From the mailed .p12 to the verdict and the audit trail, as a person does it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.services.issuers import create_issuer
from servicenodes.services import invoking
from tests.certificates.issuers.test_services import VAULT
from tests.e2e.browser import PASSWORD, Watched
from tests.factories import make_certificate, make_node, make_trust_store
from tests.pki import CA, Issued
from tests.servers import python_server

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NODE = "/bots/acme/nodes/get-balance/"


@dataclass
class Bank:
    """A company with an authority of its own and three servers."""

    root: CA
    mailed: Issued
    accepting: str
    rejecting: str
    not_asking: str


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    root = CA.root("Bank root")
    server = root.issue("localhost", san=("localhost",), eku=("serverAuth",))
    mailed = root.intermediate("Bank issuing CA").issue("acme-bot")
    with contextlib.ExitStack() as open_servers:
        accepting, rejecting, not_asking = (
            open_servers.enter_context(python_server(server, client_ca=authority)).url
            for authority in (root, CA.root("Somebody else"), None)
        )
        yield Bank(root, mailed, accepting, rejecting, not_asking)


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> Iterator[None]:
    """The calls that the console itself makes; the worker has an environment of its own."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    yield
    invoking.close()


def test_the_journey(watched: Watched, worker: None, manager: User, owner: User, bot: Bot, bank: Bank) -> None:
    watched.sign_in("manager")
    import_the_certificate(watched, bank)
    import_the_trust_store(watched, bank)
    create_and_attach(watched, bank)
    run_test(watched, "Accepted")
    try_a_call(watched, "HTTP 200", "hello")
    point_to(watched, bank.rejecting)
    run_test(watched, "Rejected")
    assert "What to do next" in watched.text
    try_a_call(watched, "Rejected", "does not know the CA")
    point_to(watched, bank.not_asking)
    run_test(watched, "Not requested")
    read_the_history(watched)


def import_the_certificate(watched: Watched, bank: Bank) -> None:
    page = watched.page
    watched.open("/bots/acme/")
    page.get_by_role("link", name="Import a certificate").first.click()
    mailed = {"name": "acme.p12", "mimeType": "application/x-pkcs12", "buffer": bank.mailed.p12(b"from the mail")}
    page.set_input_files("#id_files", mailed)  # type: ignore[arg-type]
    page.fill("#id_name", "bank-api")
    page.fill("#id_passphrase", "mistyped")
    watched.press("Show what they hold")
    expect(page.locator("#id_passphrase_error")).to_be_visible()
    page.fill("#id_passphrase", "from the mail")
    watched.press("Show what they hold")
    assert "Found: acme-bot" in watched.text
    watched.press("Save")
    assert "saved as version 1" in watched.text


def import_the_trust_store(watched: Watched, bank: Bank) -> None:
    watched.open("/bots/acme/trust-stores/import/")
    watched.page.fill("#id_name", "bank")
    anchors = {"name": "ca.pem", "mimeType": "application/x-pem-file", "buffer": bank.root.pem}
    watched.page.set_input_files("#id_files", anchors)  # type: ignore[arg-type]
    watched.press("Import")
    assert "Bank root" in watched.text


def create_and_attach(watched: Watched, bank: Bank) -> None:
    page = watched.page
    watched.open("/bots/acme/nodes/new/")
    page.fill("#id_name", "Get balance")
    page.fill("#id_url", bank.accepting)
    page.select_option("#id_trust_store", label="acme/bank")
    watched.press("Save")
    assert "Nothing is attached" in watched.text
    page.get_by_role("link", name="Attach").click()
    page.select_option("#id_certificate", label="acme/bank-api")
    watched.press("Save")
    assert "It is attached to this service node." in watched.text


def point_to(watched: Watched, url: str) -> None:
    watched.open(f"{NODE}edit/")
    watched.page.fill("#id_url", url)
    watched.press("Save")


def run_test(watched: Watched, verdict: str) -> None:
    """Press the button; the page fills in by itself, without being loaded again."""
    watched.page.get_by_role("button", name="Test connection").click()
    watched.page.wait_for_url("**/tests/*/")
    badge = watched.page.locator(".verdict .status-mark")
    expect(badge).to_have_text(re.compile(verdict), timeout=20_000)
    assert watched.page.locator("[hx-trigger]").count() == 0
    watched.page.evaluate("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")
    watched.look()
    assert "openssl s_client" in watched.text


def try_a_call(watched: Watched, *words: str) -> None:
    """The answer or its absence, on the same page."""
    watched.open(NODE)
    watched.page.get_by_role("link", name="Try a call").click()
    watched.press("Call now")
    watched.look()
    assert all(word in watched.text for word in words), watched.text
    watched.open(NODE)


def read_the_history(watched: Watched) -> None:
    page = watched.page
    watched.open(NODE)
    tests = page.locator("section[aria-labelledby=tests-title] .status-mark").all_inner_texts()
    assert tests == ["Not requested", "Rejected", "Accepted"]
    watched.open("/nodes/")
    assert "Not requested" in watched.text
    page.locator(".menu-user > summary").click()
    page.get_by_role("button", name="Sign out").click()
    watched.sign_in("owner")
    watched.open("/audit/?bot=acme")
    for words in ("version imported", "certificate attached", "key opened", "connection tested", "call ended"):
        assert words in watched.text


def test_it_works_without_javascript(
    browser: Browser, live_server: LiveServer, worker: None, developer: User, bot: Bot, bank: Bank
) -> None:
    certificate = make_certificate(bot, "bank-api", issued=bank.mailed)
    store = make_trust_store(bot, "bank", authorities=(bank.root,))
    make_node(bot, "get-balance", url=bank.accepting, certificate=certificate, trust_store=store)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/sign-in/?next={NODE}")
    page.fill("#id_username", "developer")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator(".verdict .status-mark")).to_have_text("Accepted", timeout=20_000)
    page.goto(f"{live_server.url}{NODE}call/")
    page.get_by_role("button", name="Call now").click()
    expect(page.locator("#answer-title")).to_have_text("HTTP 200")
    context.close()


PAGES = f"""
/ /bots/ /bots/acme/ /bots/acme/people/ /nodes/ {NODE} {NODE}edit/ {NODE}attach/ {NODE}call/ /bots/new/
/bots/acme/nodes/new/
/certificates/ /bots/acme/certificates/bank-api/ /bots/acme/certificates/bank-api/hosts/ /bots/acme/certificates/import/
/certificates/client-auth/ /bots/acme/certificates/bank-api/versions/1/hand-over/
/bots/acme/certificates/bank-api/default/
/bots/acme/certificates/bank-api/renewal/ /issuers/ /bots/acme/issuers/create/acme/ /bots/acme/issuers/create/vault/
/bots/acme/issuers/vault/ /trust-stores/ /audit/ /people/
/reminders/ /reminders/log/ /bots/acme/notifications/ /platform/notifications/
/bots/acme/certificates/bank-api/responsible/
/bots/acme/trust-stores/bank/ /bots/acme/trust-stores/import/ /settings/ /patterns/ /password/
""".split()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_on_a_phone(
    browser: Browser, live_server: LiveServer, colours: str, administrator: User, bot: Bot, bank: Bank
) -> None:
    certificate = make_certificate(bot, "bank-api", issued=bank.mailed)
    make_trust_store(bot, "bank", authorities=(bank.root,))
    create_issuer(actor=Actor.operating_system(), owner=bot, order=VAULT)
    make_node(bot, "get-balance", url="https://api.bank.example/" + "long/" * 40, certificate=certificate)
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=colours)  # type: ignore[arg-type]
    phone = Watched(context.new_page(), live_server.url)
    phone.sign_in("administrator")
    phone.page.locator(".menu-nav > summary").click()
    phone.look()
    for path in PAGES:
        phone.open(path)
    context.close()
