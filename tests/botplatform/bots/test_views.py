"""Creating bots, and the people of a bot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def test_an_administrator_creates_a_bot(sign_in: SignIn, administrator: User) -> None:
    answer = sign_in(administrator).post("/bots/new/", {"name": "Acme", "slug": "acme"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/bots/acme/"
    assert "No service node yet" in answer.content.decode()


def test_a_short_name_is_made_from_the_name(sign_in: SignIn, administrator: User) -> None:
    client = sign_in(administrator)
    answer = client.post("/bots/new/", {"name": "Größe & Maße", "slug": ""})
    assert answer.url == "/bots/grosse-masse/"  # type: ignore[attr-defined]
    unspeakable = client.post("/bots/new/", {"name": "🤖", "slug": ""})
    assert unspeakable.status_code == 422
    assert "id_slug_error" in unspeakable.content.decode()


def test_cancel_leads_back_to_the_bots(sign_in: SignIn, administrator: User) -> None:
    page = sign_in(administrator).get("/bots/new/").content.decode()
    assert '<a class="btn" href="/bots/">Cancel</a>' in page


@pytest.mark.parametrize(("slug", "says"), [("Not a slug", "lower-case"), ("acme", "acme"), ("platform", "platform")])
def test_a_refused_bot_keeps_what_was_typed(
    sign_in: SignIn, administrator: User, bot: Bot, slug: str, says: str
) -> None:
    answer = sign_in(administrator).post("/bots/new/", {"name": "Typed name", "slug": slug})
    assert answer.status_code == 422
    assert 'value="Typed name"' in answer.content.decode()
    assert "id_slug_error" in answer.content.decode()
    assert says in answer.content.decode()


def test_nobody_else_creates_bots(sign_in: SignIn, owner: User, auditor: User) -> None:
    for user in (owner, auditor):
        assert sign_in(user).get("/bots/new/").status_code == 403


def test_an_owner_adds_changes_and_removes_people(sign_in: SignIn, owner: User, bot: Bot, stranger: User) -> None:
    client = sign_in(owner)
    people = f"/bots/{bot.slug}/people/"
    client.post(f"{people}add/", {"user": stranger.username, "role": "viewer"})
    assert Membership.objects.get(user=stranger).role == "viewer"
    client.post(f"{people}{stranger.username}/change/", {"role": "developer"})
    assert Membership.objects.get(user=stranger).role == "developer"
    wrong = client.post(f"{people}{stranger.username}/change/", {"role": "king"}, follow=True)
    page = wrong.content.decode()
    assert "stranger is now developer" in page
    assert "no such role" in page
    client.post(f"{people}{stranger.username}/remove/")
    assert not Membership.objects.filter(user=stranger).exists()


def test_the_last_owner_stays_and_the_page_says_why(sign_in: SignIn, owner: User, bot: Bot) -> None:
    answer = sign_in(owner).post(f"/bots/{bot.slug}/people/{owner.username}/remove/", follow=True)
    assert answer.status_code == 200
    assert "tone-error" in answer.content.decode()
    assert Membership.objects.filter(user=owner).exists()


def test_an_unknown_person_is_an_error_beside_the_field(sign_in: SignIn, owner: User, bot: Bot) -> None:
    answer = sign_in(owner).post(f"/bots/{bot.slug}/people/add/", {"user": "nobody", "role": "viewer"})
    assert answer.status_code == 422
    assert "id_user_error" in answer.content.decode()
    assert 'value="nobody"' in answer.content.decode()


def test_a_developer_reads_the_people_and_changes_none(sign_in: SignIn, developer: User, owner: User, bot: Bot) -> None:
    client = sign_in(developer)
    page = client.get(f"/bots/{bot.slug}/people/").content.decode()
    assert "owner" in page
    assert "Add somebody" not in page
    assert client.post(f"/bots/{bot.slug}/people/add/", {"user": "x", "role": "owner"}).status_code == 403
