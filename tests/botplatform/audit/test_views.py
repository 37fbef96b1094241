"""The page of the audit trail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.bots.services.bots import create_bot

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def events(operator: Actor) -> None:
    create_bot(actor=operator, slug="first", name="First")
    create_bot(actor=operator, slug="second", name="Second")


def test_an_auditor_reads_all_and_the_head(sign_in: SignIn, auditor: User, events: None) -> None:
    page = sign_in(auditor).get("/audit/").content.decode()
    assert "bot created" in page
    assert "Head of the chain" in page


@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        ({"object": "first"}, True, False),
        ({"bot": "second"}, False, True),
        ({"action": "bot.created"}, True, True),
        ({"action": "user.created"}, False, False),
        ({"actor": "nobody-like-that"}, False, False),
        ({"bot": "platform"}, False, False),
        ({"bot": "no-such-bot"}, True, True),
    ],
)
def test_the_filter_narrows(
    sign_in: SignIn, auditor: User, events: None, query: dict[str, str], first: bool, second: bool
) -> None:
    page = sign_in(auditor).get("/audit/", query)
    shown = {event.object_name for event in page.context["page"]}
    assert ("first" in shown, "second" in shown) == (first, second)


def test_others_see_only_the_trail_of_bots_they_own(
    sign_in: SignIn, events: None, stranger: User, owner: User, bot: Bot
) -> None:
    for user in (stranger, owner):
        page = sign_in(user).get("/audit/")
        assert not page.context["page"].object_list
        assert "Head of the chain" not in page.content.decode()


def test_the_page_costs_a_constant_number_of_queries(
    sign_in: SignIn, auditor: User, operator: Actor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        create_bot(actor=operator, slug=f"bot-{number}")
    client = sign_in(auditor)
    with django_assert_max_num_queries(10):
        client.get("/audit/")
