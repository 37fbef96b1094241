"""A bot definition imported in the browser: look, save, and give the URL that a service node asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from tests.e2e.browser import Watched
from tests.servicenodes.definitions.exports import component, end_point, export

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_import_and_give_a_url(
    watched: Watched, browser: Browser, live_server: LiveServer, developer: User, bot: Bot, tmp_path: Path
) -> None:
    file = tmp_path / "export.zip"
    file.write_bytes(export(component(), component("Elsewhere", endPoint=end_point("{{context.session.base}}/x"))))
    watched.sign_in("developer")
    watched.open("/bots/acme/")
    watched.page.get_by_role("link", name="Import a bot definition").click()
    watched.page.set_input_files("#id_files", file)
    watched.press("Show what it holds")
    assert "The host of its URL is known only when the bot runs." in watched.text
    watched.press("Save")
    assert "Imported: 2 new service nodes, 0 changed." in watched.text
    watched.page.get_by_role("link", name="Elsewhere").click()
    watched.look()
    assert "It has no URL yet, so it can be neither tested nor called" in watched.text
    watched.page.get_by_role("link", name="Edit").click()
    watched.page.fill("#id_url", "https://api.bank.example/x")
    watched.press("Save")
    assert "Test connection" in watched.text
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    phone = Watched(context.new_page(), live_server.url)
    phone.sign_in("developer")
    phone.open("/bots/acme/definition/")
    phone.page.set_input_files("#id_files", file)
    phone.press("Show what it holds")
    assert "There is nothing to save." in phone.text
    expect(phone.page.locator("td", has_text="is known only when")).to_have_css("text-align", "left")
    context.close()
