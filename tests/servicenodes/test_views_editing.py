"""The form of a service node: its names, its errors, and two people who change the same node."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from tests.factories import make_certificate, make_node

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
FIELDS = {"name": "Get balance", "url": "https://api.bank.example/b", "method": "GET", "min_tls": "1.2", "timeout_s": 9}
NODE = "/bots/acme/nodes/get-balance/"
NEW = "/bots/acme/nodes/new/"


@pytest.fixture
def node(bot: Bot) -> ServiceNode:
    return make_node(bot, "get-balance", name="Get balance")


def test_cancel_leads_back(sign_in: SignIn, developer: User, node: ServiceNode) -> None:
    client = sign_in(developer)
    assert '<a class="btn" href="/bots/acme/">Cancel</a>' in client.get(NEW).content.decode()
    assert f'<a class="btn" href="{NODE}">Cancel</a>' in client.get(f"{NODE}edit/").content.decode()


@pytest.mark.parametrize(("name", "slug"), [("Größe_prüfen 🤖", "grosse-prufen"), ("🤖", "node")])
def test_a_short_name_is_made_from_the_name_and_told(
    sign_in: SignIn, developer: User, bot: Bot, name: str, slug: str
) -> None:
    page = sign_in(developer).post(NEW, {**FIELDS, "name": name}, follow=True).content.decode()
    assert ServiceNode.objects.get().slug == slug
    assert f"exists as acme/{slug}." in page


def test_a_conflict_shows_what_is_saved_and_lets_one_save_on_top(
    sign_in: SignIn, developer: User, bot: Bot, node: ServiceNode
) -> None:
    certificate = make_certificate(bot, "bank-api")
    client = sign_in(developer)
    mine = {**FIELDS, "slug": "get-balance", "revision": node.revision, "timeout_s": 30}
    client.post(f"{NODE}edit/", {**mine, "timeout_s": 20, "certificate": certificate.pk, "headers": "A: 1"})
    page = client.post(f"{NODE}edit/", mine)
    rows = {row.label: (row.saved, row.typed) for row in page.context["conflict"]}
    assert rows == {
        "Headers": ("A: 1", ""),
        "Client certificate": ("acme/bank-api", "The default applies"),
        "Timeout in seconds": ("20", "30"),
    }
    assert page.status_code == 422
    assert "Drop your changes" in page.content.decode()
    shown = page.context["form"]["revision"].value()
    assert client.post(f"{NODE}edit/", {**mine, "revision": shown}).status_code == 302
    node.refresh_from_db()
    assert (node.timeout_s, node.certificate) == (30, None)
