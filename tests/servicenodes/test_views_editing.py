"""The form of a service node: its names, its errors, and two people who change the same node."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services.basis import basis_of
from tests.factories import make_certificate, make_node, make_test, make_trust_store

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


def test_methods_are_spelt_as_in_http(sign_in: SignIn, developer: User, bot: Bot) -> None:
    assert '<option value="GET" selected>GET</option>' in sign_in(developer).get(NEW).content.decode()


def test_a_method_may_be_a_variable(sign_in: SignIn, developer: User, bot: Bot, node: ServiceNode) -> None:
    client = sign_in(developer)
    assert '<option value="{{method}}">{{method}}, given with each call</option>' in client.get(NEW).content.decode()
    client.post(NEW, {**FIELDS, "name": "Any", "method": "{{method}}"})
    assert ServiceNode.objects.get(name="Any").method == "{{method}}"
    ServiceNode.objects.filter(pk=node.pk).update(method="{{verb}}")
    assert '<option value="{{verb}}" selected>' in client.get(f"{NODE}edit/").content.decode()
    client.post(f"{NODE}edit/", {**FIELDS, "slug": node.slug, "method": "{{verb}}", "revision": 1, "dialog": "D"})
    assert ServiceNode.objects.get(pk=node.pk).dialog == "D"
    assert client.post(NEW, {**FIELDS, "name": "Other", "method": "TRACE"}).status_code == 422


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


def test_a_verdict_that_the_settings_have_overtaken_is_muted(sign_in: SignIn, viewer: User, bot: Bot) -> None:
    certificate, store = make_certificate(bot), make_trust_store(bot)
    node = make_node(bot, "get-balance", certificate=certificate, trust_store=store)
    make_test(node, verdict="rejected", summary="No.", report={"advice": ["Do this."]})
    client = sign_in(viewer)
    muted = "Settings changed since this test"

    def page() -> str:
        ConnectionTest.objects.update(basis=basis)
        return str(client.get(NODE).content.decode())

    basis = ""  # of a test from before this was kept
    assert muted not in page()
    basis = basis_of(node, certificate.active_version)
    assert muted not in page()
    assert "Do this." in page()
    for fields in ({"url": "https://other.example/"}, {"trust_store": None}, {"certificate": None}, {"min_tls": "1.3"}):
        ServiceNode.objects.filter(pk=node.pk).update(**fields)
        assert muted in page(), fields
        assert "Do this." not in page()
        node.save()
    store.revision += 1
    store.save()
    assert muted in page()
    assert "Rejected" in page()


def test_a_second_node_of_the_same_name_is_allowed_but_told(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    assert "is called" not in client.post(NEW, FIELDS, follow=True).content.decode()
    page = client.post(NEW, FIELDS, follow=True).content.decode()
    assert "acme/get-balance is called “Get balance” too. Give one of them a dialog or another name." in page
    rows = client.get("/nodes/").content.decode()
    assert '<span class="sub mono">get-balance</span>' in rows
    assert '<span class="sub mono">get-balance-2</span>' in rows
    told = client.post(NEW, {**FIELDS, "dialog": "Other"}, follow=True).content.decode()
    assert "is called" not in told


def test_the_page_of_a_test_says_how_it_asks(sign_in: SignIn, viewer: User, bot: Bot) -> None:
    test = make_test(make_node(bot, "get-balance", method="POST"), verdict="accepted")
    page = sign_in(viewer).get(f"{NODE}tests/{test.pk}/").content.decode()
    assert "OPTIONS https://api.bank.example/balance" in page
    assert "the bot calls with POST" in page
    assert "acme/get-balance" in page


def test_nothing_typed_is_cut_without_a_word(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    assert "maxlength" not in client.get(NEW).content.decode()
    answer = client.post(NEW, {**FIELDS, "url": "https://api.bank.example/" + "x" * 8000, "timeout_s": 61})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "At most 2000 characters; these are 8025." in page
    assert "At most 60." in page
    assert "x" * 8000 in page
    assert not ServiceNode.objects.exists()


def test_a_refused_form_opens_at_the_first_field_that_was_refused(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    assert "autofocus" not in client.get(NEW).content.decode()
    page = client.post(NEW, {**FIELDS, "timeout_s": "", "url": ""}).content.decode()
    assert "<title>Error: New service node" in page
    (opened,) = re.findall(r"<[^>]* autofocus[^>]*>", page)
    assert 'id="id_url"' in opened
