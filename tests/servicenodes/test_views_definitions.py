"""Importing a bot definition in the browser's two steps, without JavaScript: look, then save."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from time_machine import Traveller

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from servicenodes.services import previews
from tests.factories import make_certificate, make_node
from tests.servicenodes.definitions.exports import component, end_point, export, headers

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
URL = "/bots/acme/definition/"
TOKEN = re.compile(r'name="upload" value="([^"]+)"')
PAY = component("Pay", endPoint=end_point(path="/p", method="post"), headers=headers(Authorization="Basic hunter2"))
ASKING = component("<b>Else</b>", endPoint=end_point("{{context.base}}/x"))


def look(client: Client, content: bytes | None = None, url: str = URL) -> str:
    file = SimpleUploadedFile("export.zip", export(PAY, ASKING) if content is None else content)
    return str(client.post(url, {"files": [file], "look": "1"}).content.decode())


def token_of(page: str) -> str:
    found = TOKEN.search(page)
    assert found, page
    return found[1]


def test_look_then_save_then_again(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    make_certificate(bot, "bank-client", is_default=True)
    assert f'href="{URL}"' in client.get("/bots/acme/").content.decode()
    page = look(client)
    assert "Found: Bank" in page
    assert "The export is of a bot called “Bank”. Is it meant to go into “Acme assistant” (acme)?" in page
    assert "POST https://api.bank.example/p" in page
    assert "Accounts / Pay" in page
    assert "acme/bank-client (the bot’s default)" in page
    assert "The host of its URL is known only when the bot runs." in page
    assert "hunter2" not in page
    assert not ServiceNode.objects.exists()
    saved = client.post(URL, {"upload": token_of(page), "save": "1"}, follow=True).content.decode()
    assert "Imported: 2 new service nodes, 0 changed." in saved
    assert "One service node needs a URL" in saved
    assert "&lt;b&gt;Else&lt;/b&gt;" in saved
    assert "Needs a URL" in saved
    again = look(client)
    assert ("There is nothing to save." in again, "Is it meant to go into" in again) == (True, False)


def test_a_node_without_a_url_asks_for_one(sign_in: SignIn, developer: User, bot: Bot) -> None:
    client = sign_in(developer)
    client.post(URL, {"upload": token_of(look(client)), "save": "1"})
    node = ServiceNode.objects.get(url="")
    page = client.get(node.get_absolute_url() or "").content.decode()
    address = f"/bots/acme/nodes/{node.slug}/"
    assert "It has no URL yet, so it can be neither tested nor called" in page
    assert page.count(f'href="{address}edit/"') == 2
    assert "Test connection</button>" not in page
    assert "Try a call" not in page
    call = client.get(f"{address}call/").content.decode()
    assert ("It has no URL yet" in call, "Call now" in call) == (True, False)
    assert f'href="{address}edit/"' in call
    assert "{{context_base}}/x" in client.get(f"{address}edit/").content.decode()
    assert "has no URL yet: its" in client.post(f"{address}test/", follow=True).content.decode()
    assert "has no URL yet" in client.post(f"{address}call/", {"payload": "x"}).content.decode()
    fields = {"name": "x", "url": "https://t.example/", "method": "GET", "min_tls": "1.2", "timeout_s": 9}
    client.post(f"{address}edit/", {**fields, "slug": node.slug, "revision": node.revision})
    assert "Test connection</button>" in client.get(address).content.decode()


def test_the_rest_of_a_node_without_a_url_may_be_changed(sign_in: SignIn, developer: User, bot: Bot) -> None:
    node = make_node(bot, "pay", url="", exported_url="{{context_base}}/x")
    client, address = sign_in(developer), "/bots/acme/nodes/pay/edit/"
    fields = {"name": "Pay", "slug": "pay", "method": "GET", "min_tls": "1.2", "timeout_s": 9, "url": ""}
    client.post(address, {**fields, "revision": 1, "sealed_headers": "X-Key: abc"})
    client.post(address, {**fields, "revision": 2, "sealed_headers": "X-Key:", "dialog": "Money"})
    node.refresh_from_db()
    assert (node.name, node.dialog, node.url, node.revision) == ("Pay", "Money", "", 3)
    assert [header.name for header in node.sealed_headers.all()] == ["X-Key"]
    refused = client.post(address, {**fields, "revision": 3, "url": "https://t.example/", "sealed_headers": "X-Key:"})
    assert "Give their values again for t.example" in refused.content.decode()
    assert make_node(bot, "usual").url
    kept = client.post("/bots/acme/nodes/usual/edit/", {**fields, "slug": "usual", "revision": 1})
    assert (kept.status_code, "id_url_error" in kept.content.decode()) == (422, True)


@pytest.mark.parametrize("content", [b"", b"{", b"PK\x03\x04", b"[]"])
def test_errors_stand_beside_the_files(sign_in: SignIn, developer: User, bot: Bot, content: bytes) -> None:
    assert "id_files_error" in look(sign_in(developer), content)
    assert sign_in(developer).post(URL, {"look": "1"}).status_code == 422


def test_a_preview_expires_and_is_bound_to_its_user(
    sign_in: SignIn, developer: User, owner: User, bot: Bot, clock: Traveller
) -> None:
    token = token_of(look(sign_in(developer)))
    for wrong in (token, "nonsense"):
        assert sign_in(owner).post(URL, {"upload": wrong, "save": "1"}).status_code == 422
    clock.shift(previews.LIFETIME + timedelta(seconds=1))
    assert "id_files_error" in sign_in(developer).post(URL, {"upload": token, "save": "1"}).content.decode()
    assert not ServiceNode.objects.exists()


def test_a_whole_bot(sign_in: SignIn, administrator: User, developer: User, bot: Bot) -> None:
    client = sign_in(administrator)
    assert 'href="/definition/"' in client.get("/bots/").content.decode()
    page = look(client, url="/definition/")
    assert "becomes the new bot bank" in page
    fields = {"upload": token_of(page), "slug": "my-bank", "save": "1"}
    answer = client.post("/definition/", fields, follow=True)
    assert answer.redirect_chain[-1][0] == "/bots/my-bank/"
    assert ServiceNode.objects.filter(bot__slug="my-bank").count() == 2
    wrong = client.post("/definition/", {**fields, "slug": "Not A Slug"})
    assert (wrong.status_code, "id_slug_error" in wrong.content.decode()) == (422, True)
    assert sign_in(developer).get("/definition/").status_code == 403


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_may_not_change_nodes_gets_403(
    sign_in: SignIn, bot: Bot, role: str, request: pytest.FixtureRequest
) -> None:
    assert sign_in(request.getfixturevalue(role)).get(URL).status_code == 403
