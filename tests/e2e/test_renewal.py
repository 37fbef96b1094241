"""A renewal from the request to the rollback, against two real banks, as a certificate manager does it.

The bank “quick” trusts the new CA from the start; “slow” does so only after it was asked to.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from playwright.sync_api import Locator, expect
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from servicenodes.services import invoking
from tests.e2e.browser import Watched
from tests.factories import make_certificate
from tests.pki import CA
from tests.servers import Peer
from tests.servicenodes.services.proving import Banks, banks

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SLOT = "/bots/acme/certificates/bank/"


@pytest.fixture
def both() -> Iterator[Banks]:
    with banks() as open_banks:
        yield open_banks


@pytest.fixture(autouse=True)
def egress(settings: Settings) -> Iterator[None]:
    """The calls that the console itself makes; the worker has an environment of its own."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    yield
    invoking.close()


def test_the_whole_renewal(watched: Watched, worker: None, manager: User, bot: Bot, both: Banks) -> None:
    certificate = make_certificate(bot, "bank", issued=both.old.issue("one.example"))
    for slug, peer in (("slow", both.slow), ("quick", both.quick)):
        both.node(bot, slug, peer, certificate)
    watched.sign_in("manager")
    call(watched, "slow", both.slow, "one.example")
    request = ask_for_a_renewal(watched)
    bring_the_reply(watched, signed(both.new, request))
    compare(watched, "Test this version everywhere")
    expect(row(watched, "slow")).to_contain_text("Works now, would not work next. The server does not trust the new CA")
    expect(row(watched, "quick")).to_contain_text("Works now and next")
    expect(watched.page.get_by_label("Reason")).to_be_visible()
    both.slow.trust(both.new)
    compare(watched, "Test this version everywhere")
    expect(row(watched, "slow")).to_contain_text("Works now and next")
    expect(watched.page.get_by_label("Reason")).to_have_count(0)
    watched.press("Promote")
    call(watched, "slow", both.slow, "two.example")
    watched.open(SLOT)
    watched.page.get_by_role("link", name="Roll back to version 1", exact=True).click()
    watched.press("Roll back")
    call(watched, "slow", both.slow, "one.example")


def ask_for_a_renewal(watched: Watched) -> x509.CertificateSigningRequest:
    """The form is filled in from the active version, but for the new name."""
    page = watched.page
    watched.open(SLOT)
    page.get_by_role("link", name="Request a renewal").click()
    watched.look()
    expect(page.locator("#id_name")).to_have_value("bank")
    expect(page.locator("#id_subject")).to_have_value("CN=one.example,O=Console tests")
    page.fill("#id_subject", "CN=two.example,O=Console tests")
    watched.press("Make the key and the request")
    return x509.load_pem_x509_csr(page.get_by_label("Certificate signing request").input_value().encode())


def signed(authority: CA, request: x509.CertificateSigningRequest) -> bytes:
    """What the CA mails: the leaf and itself."""
    assert request.is_signature_valid
    issued = authority.issue(public_key=request.public_key(), subject=request.subject)
    return issued.cert_pem + authority.pem


def bring_the_reply(watched: Watched, reply: bytes) -> None:
    mailed = {"name": "reply.pem", "mimeType": "application/x-pem-file", "buffer": reply}
    watched.page.set_input_files("#id_files", mailed)  # type: ignore[arg-type]
    watched.press("Show what it holds")
    assert "Found: two.example" in watched.text
    watched.press("Save")
    watched.open(SLOT)
    watched.page.get_by_role("link", name="Promote version 2", exact=True).click()
    watched.look()


def compare(watched: Watched, button: str) -> None:
    """The table fills in by itself; how to promote is offered when it is complete."""
    page = watched.page
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()
    expect(page.locator("#promote-title")).to_be_visible(timeout=20_000)
    page.wait_for_load_state()
    watched.look()


def row(watched: Watched, node: str) -> Locator:
    return watched.page.locator("#proof tbody tr").filter(has=watched.page.get_by_role("link", name=node, exact=True))


def call(watched: Watched, node: str, peer: Peer, client: str) -> None:
    """A real call, and who the bank says it was."""
    before = len(peer.recorded())
    watched.open(f"/bots/acme/nodes/{node}/call/")
    watched.press("Call now")
    assert "HTTP 200" in watched.text
    assert peer.recorded_after(before)[-1].subject.endswith(client)
