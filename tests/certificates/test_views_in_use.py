"""A certificate or trust store in use: the page says why it cannot be deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, VersionStatus
from servicenodes.models import ServiceNode
from tests.factories import (
    add_version,
    make_certificate,
    make_chain_certificate,
    make_node,
    make_trust_store,
    make_version,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db
MOST_QUERIES = 27
SignIn = Callable[[User], Client]
HIDDEN = "in a bot you may not open"
KEPT = "It cannot be deleted while it is in use"


def test_what_is_in_use_says_why_it_stays(sign_in: SignIn, manager: User, viewer: User, bot: Bot) -> None:
    certificate, store = make_certificate(bot, is_default=True), make_trust_store(bot)
    make_node(bot, certificate=certificate, trust_store=store)
    paths = [certificate.get_absolute_url(), store.get_absolute_url()]
    client, looking = sign_in(manager), sign_in(viewer)
    for path in paths:
        assert KEPT in client.get(path).content.decode()
        assert KEPT not in looking.get(path).content.decode()
    ServiceNode.objects.all().delete()
    assert "make another one the default, or none, first" in client.get(paths[0]).content.decode()
    ClientCertificate.objects.update(is_default=False)
    for path in paths:
        page = client.get(path).content.decode()
        assert KEPT not in page
        assert "<summary>Delete this" in page


def test_nodes_of_foreign_bots_are_counted(sign_in: SignIn, manager: User, bot: Bot, other_bot: Bot) -> None:
    shared, store = make_certificate(None, "shared", is_default=True), make_trust_store(None, "roots")
    make_node(bot, "mine", certificate=shared, trust_store=store)
    make_node(other_bot, "secret", certificate=shared, trust_store=store)
    make_node(other_bot, "bare")
    client = sign_in(manager)
    for path, hidden in ((shared.get_absolute_url(), 2), (store.get_absolute_url(), 1)):
        page = client.get(path).content.decode()
        assert page.count(HIDDEN) == hidden
        assert "mine" in page
        assert "secret" not in page
    assert "platform’s default: 1 node" in client.get(shared.get_absolute_url()).content.decode()


def test_the_page_draws_versions_and_checks_each_link(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().intermediate().issue())
    add_version(certificate, CA.root().expired(), number=2, status=VersionStatus.STAGED)
    page = sign_in(manager).get(certificate.get_absolute_url()).content.decode()
    assert 'class="life is-active"' in page
    assert "Version 2, staged" in page
    assert page.count("verifies with the issuer’s key") == 1
    assert "Staged: version 2" in page


def test_the_page_costs_the_same_however_much_it_shows(
    sign_in: SignIn, owner: User, bot: Bot, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    certificate = make_certificate(bot, "bank", is_default=True)
    for number in range(2, 9):
        version = make_version(certificate, number=number, status=VersionStatus.RETIRED)
        make_chain_certificate(version)
    for _ in range(5):
        make_node(bot, certificate=certificate)
        make_node(bot)
    client = sign_in(owner)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(certificate.get_absolute_url()).status_code == 200
