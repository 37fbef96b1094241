"""What only a real browser shows: Back after a form, files told before they are sent, lists that fit a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.issuer_models import RenewalPolicy
from certificates.services.issuers import create_issuer
from certificates.services.renewal_policies import RenewalChoice, set_renewal
from servicenodes.services.nodes import change_node
from tests.certificates.issuers.test_services import VAULT
from tests.certificates.services.test_rotation import slot
from tests.e2e.browser import Watched
from tests.factories import make_certificate, make_node, make_test
from tests.pki import CA

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

IMPORT = "/bots/acme/certificates/import/"
TARGET_PX = 24  # WCAG 2.2, 2.5.8
EVENT_PX = 80  # two lines or three; a page holds fifty events


def test_back_after_saving_leads_to_the_form(watched: Watched, manager: User, bot: Bot, tmp_path: Path) -> None:
    issued = CA.root().issue("acme-bot")
    file = tmp_path / "mail.pem"
    file.write_bytes(issued.chain_pem + issued.key_pem)
    watched.sign_in("manager")
    watched.open(IMPORT)
    watched.page.set_input_files("#id_files", file)
    watched.page.fill("#id_name", "bank-api")
    watched.press("Show what they hold")
    watched.press("Save")
    assert "saved as version 1" in watched.text
    watched.page.go_back()
    watched.look()
    assert "Import a certificate for Acme" in watched.text
    expect(watched.page.get_by_role("button", name="Show what they hold")).to_be_visible()


def test_a_file_that_is_too_large_is_told_before_it_is_sent(
    watched: Watched, manager: User, bot: Bot, tmp_path: Path
) -> None:
    file = tmp_path / "film.p12"
    file.write_bytes(b"x" * 10 * 1024 * 1024)
    watched.sign_in("manager")
    watched.open(IMPORT)
    watched.page.fill("#id_name", "bank-api")
    watched.page.set_input_files("#id_files", file)
    watched.press("Show what they hold")
    assert "film.p12 has 10240 KB; a file may have 256 KB." in watched.text
    assert watched.page.input_value("#id_name") == "bank-api"


def test_a_chain_in_a_narrow_column_keeps_its_names_whole(watched: Watched, viewer: User, bot: Bot) -> None:
    link = {"subject": "CN=Demo bank issuing CA", "issuer": "CN=Root", "not_after": "2099-01-01T00:00:00Z"}
    report = {"server": {"chain": [link]}, "steps": [{"name": "resolve", "status": "ok"}]}
    test = make_test(make_node(bot, "get-balance"), verdict="rejected", summary="No.", report=report)
    watched.sign_in("viewer")
    watched.open(f"/bots/acme/nodes/get-balance/tests/{test.pk}/")
    watched.page.get_by_text("The server’s chain").click()
    box = watched.page.locator(".chain-link .wrap").first.bounding_box()
    assert box is not None
    assert box["height"] < 50


def test_a_long_name_makes_no_page_wider(watched: Watched, manager: User, bot: Bot) -> None:
    Bot.objects.filter(pk=bot.pk).update(name="x" * 150)
    certificate = slot(bot, "active", "staged")
    make_node(bot, "get-balance", name="y" * 150, certificate=certificate)
    watched.sign_in("manager")
    for path in ("/bots/", "/nodes/", "/bots/acme/", f"{certificate.get_absolute_url()}versions/2/promote/"):
        watched.open(path)


def test_a_refused_form_takes_the_keyboard_to_its_first_error(watched: Watched, developer: User, bot: Bot) -> None:
    watched.sign_in("developer")
    watched.open("/bots/acme/nodes/new/")
    watched.page.fill("#id_name", "Get balance")
    watched.press("Save")
    assert watched.page.evaluate("document.activeElement.id") == "id_url"
    assert watched.page.title().startswith("Error: ")


def test_a_renewal_is_seen_to_go_on_without_a_reload(watched: Watched, viewer: User, bot: Bot, operator: Actor) -> None:
    certificate = make_certificate(bot, "api", issued=CA.root().issue("api"))
    set_renewal(
        actor=operator,
        certificate=certificate,
        choice=RenewalChoice(create_issuer(actor=operator, owner=bot, order=VAULT)),
    )
    RenewalPolicy.objects.update(asked_by="manager")
    watched.sign_in("viewer")
    watched.open(certificate.get_absolute_url())
    assert "It waits for a worker." in watched.text
    RenewalPolicy.objects.update(asked_by="", error="The CA did not sign: no.", attempt=1)
    expect(watched.page.get_by_text("The CA did not sign: no.")).to_be_visible()
    expect(watched.page.locator("#renewal[hx-get]")).to_have_count(0)
    watched.look()


def test_what_can_be_pressed_is_large_enough(watched: Watched, viewer: User, bot: Bot) -> None:
    watched.page.context.grant_permissions(["clipboard-write"])
    node = make_node(bot, "get-balance", certificate=make_certificate(bot, "api", issued=CA.root().issue("api")))
    watched.sign_in("viewer")
    watched.open(node.certificate.get_absolute_url() if node.certificate else "")
    boxes = [button.bounding_box() for button in watched.page.locator(".copy:visible").all()]
    assert boxes
    assert min(min(box["width"], box["height"]) if box else 0 for box in boxes) >= TARGET_PX


def test_the_trail_fits_a_phone(browser: Browser, live_server: LiveServer, owner: User, bot: Bot) -> None:
    node = make_node(bot, "get-balance")
    for timeout_s in range(11, 16):
        node = change_node(actor=Actor.of(owner), node=node, expected_revision=node.revision, timeout_s=timeout_s)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    phone = Watched(context.new_page(), live_server.url)
    phone.sign_in("owner")
    phone.open("/audit/")
    boxes = [row.bounding_box() for row in phone.page.locator(".table-events tbody tr").all()]
    assert boxes
    assert max(box["height"] if box else 0 for box in boxes) <= EVENT_PX
    context.close()
