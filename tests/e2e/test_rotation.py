"""A renewal in the browser: promoted, rolled back, retired and destroyed, without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import VersionStatus
from tests.certificates.services.test_rotation import slot, statuses
from tests.e2e.browser import PASSWORD, Watched
from tests.factories import add_version, make_certificate, make_node
from tests.pki import CA

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BANK = "/bots/acme/certificates/bank/"


def choose(page: Page, link: str, button: str) -> None:
    """Follow the link on the certificate's page, and confirm."""
    page.get_by_role("link", name=link, exact=True).click()
    page.locator("main").get_by_role("button", name=button, exact=True).click()
    expect(page).to_have_url(re.compile(f"{BANK}$"))


def test_a_renewal_without_javascript(browser: Browser, live_server: LiveServer, manager: User, bot: Bot) -> None:
    make_node(bot, "balance", certificate=slot(bot, "active", "staged"))
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(f"{live_server.url}/sign-in/")
    page.fill("#id_username", "manager")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{live_server.url}{BANK}")
    page.get_by_role("link", name="Promote version 2", exact=True).click()
    page.get_by_label("Reason").fill("Tested with the bank on the phone")
    page.get_by_role("button", name="Promote all the same", exact=True).click()
    expect(page).to_have_url(re.compile(f"{BANK}$"))
    assert statuses() == ["retired", "active"]
    choose(page, "Roll back to version 1", "Roll back")
    assert statuses() == ["active", "retired"]
    choose(page, "Destroy version 2", "Destroy the key for good")
    assert statuses() == ["active", "destroyed"]
    context.close()


def test_the_pages_are_sound(watched: Watched, manager: User, bot: Bot) -> None:
    root = CA.root()
    certificate = make_certificate(bot, "bank", issued=root.issue("one.example"), status=VersionStatus.RETIRED)
    for number, status in ((2, VersionStatus.ACTIVE), (3, VersionStatus.STAGED)):
        add_version(certificate, root.issue("two.example"), number=number, status=status)
    make_node(bot, "balance", certificate=certificate)
    watched.sign_in("manager")
    for path in (
        "",
        "versions/3/promote/",
        "versions/3/tests/",
        "versions/2/retire/",
        "versions/1/destroy/",
        "rollback/",
    ):
        watched.open(f"{BANK}{path}")
    watched.page.set_viewport_size({"width": 390, "height": 800})
    for path in ("", "versions/2/retire/", "versions/3/promote/"):
        watched.open(f"{BANK}{path}")
    expect(watched.page.locator("td", has_text="Not tested with the next version")).to_have_css("text-align", "left")
