"""Attaching one certificate to several nodes from the certificate's page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from tests.factories import make_certificate, make_node

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
PAGE = "/bots/acme/certificates/bank-api/attach/"


def test_ticked_nodes_get_the_certificate(sign_in: SignIn, developer: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank-api")
    ticked = [make_node(bot) for _ in range(2)]
    has_it, other = make_node(bot, certificate=certificate), make_node(bot)
    client = sign_in(developer)
    assert PAGE in client.get(certificate.get_absolute_url()).content.decode()
    assert client.get(PAGE).content.decode().count('name="nodes"') == 3
    answer = client.post(PAGE, {"nodes": [node.pk for node in (*ticked, has_it)]}, follow=True)
    assert "is attached to 2 nodes. 1 had it already." in answer.content.decode()
    assert set(certificate.service_nodes.all()) == {*ticked, has_it}
    other.refresh_from_db()
    assert other.certificate is None


def test_nothing_ticked_and_a_foreign_node_are_refused(
    sign_in: SignIn, developer: User, bot: Bot, other_bot: Bot
) -> None:
    make_certificate(bot, "bank-api")
    foreign = make_node(other_bot)
    client = sign_in(developer)
    answer = client.post(PAGE, {"act": "attach"})
    assert answer.status_code == 422
    assert "Tick the service nodes" in answer.content.decode()
    for wrong in (str(foreign.pk), "no-id"):
        assert client.post(PAGE, {"nodes": [wrong]}).status_code == 422
    foreign.refresh_from_db()
    assert foreign.certificate is None


def test_the_platforms_certificate_goes_to_the_nodes_of_ones_own_bots(
    sign_in: SignIn, developer: User, viewer: User, bot: Bot, other_bot: Bot
) -> None:
    certificate = make_certificate(None, "shared")
    mine, theirs = make_node(bot, "mine"), make_node(other_bot, "theirs")
    page = "/platform/certificates/shared/attach/"
    client = sign_in(developer)
    text = client.get(page).content.decode()
    assert str(mine.pk) in text
    assert str(theirs.pk) not in text
    assert client.post(page, {"nodes": [mine.pk, theirs.pk]}).status_code == 422
    assert client.post(page, {"nodes": [mine.pk]}).status_code == 302
    assert list(certificate.service_nodes.all()) == [mine]
    assert page not in sign_in(viewer).get("/platform/certificates/shared/").content.decode()
    assert sign_in(viewer).get(page).status_code == 403


def test_the_nodes_are_searched_and_paged(sign_in: SignIn, administrator: User, bot: Bot) -> None:
    make_certificate(bot, "bank-api")
    for number in range(60):
        make_node(bot, f"node-{number:02}", name=f"Step {number:02}")
    client = sign_in(administrator)
    assert client.get(PAGE).content.decode().count('name="nodes"') == 50
    assert client.get(PAGE, {"page": 2}).content.decode().count('name="nodes"') == 10
    assert client.get(PAGE, {"q": "Step 07"}).content.decode().count('name="nodes"') == 1
