"""The pages on which administrators manage people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.accounts.services import create_user
from botplatform.audit.models import AuditEvent

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
TYPED = "nine quiet badgers"


def test_a_password_is_made_shown_once_and_works(sign_in: SignIn, administrator: User) -> None:
    client = sign_in(administrator)
    assert "/people/new/" in client.get("/people/").content.decode()
    sent = {"username": "anna", "full_name": "Anna", "platform_role": "auditor"}
    answer = client.post("/people/new/", sent)
    password = answer.context["password"]
    assert len(password) == 20
    assert password in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert Client().post("/sign-in/", {"username": "anna", "password": password}).status_code == 302
    assert password not in client.get("/people/").content.decode()
    assert "auditor" in str(AuditEvent.objects.get(action="user.created").facts)
    assert client.post("/people/new/", sent).status_code == 422  # taken


def test_a_typed_password_is_judged_and_never_shown(sign_in: SignIn, administrator: User) -> None:
    client = sign_in(administrator)
    weak = client.post("/people/new/", {"username": "anna", "password": "short"})
    assert weak.status_code == 422
    assert "at least 12" in weak.content.decode()
    done = client.post("/people/new/", {"username": "anna", "password": TYPED}, follow=True)
    assert TYPED not in done.content.decode()
    assert User.objects.get(username="anna").check_password(TYPED)


def test_role_and_activity_change_and_the_last_administrator_stays(
    sign_in: SignIn, administrator: User, stranger: User
) -> None:
    client = sign_in(administrator)
    page = f"/people/{stranger.pk}/"
    assert "Another password" in client.get(page).content.decode()
    assert client.post(page, {"platform_role": "auditor", "full_name": "S."}).status_code == 302
    stranger.refresh_from_db()
    assert (stranger.platform_role, stranger.full_name, stranger.is_active) == ("auditor", "S.", False)
    own = f"/people/{administrator.pk}/"
    assert "Another password" not in client.get(own).content.decode()
    refused = client.post(own, {"platform_role": "", "is_active": "on"})
    assert refused.status_code == 422
    assert "last platform administrator" in refused.content.decode()


def test_nobody_switches_themselves_off(sign_in: SignIn, administrator: User, operator: Actor) -> None:
    create_user(actor=operator, username="second", password=TYPED, platform_role="administrator")
    client, own = sign_in(administrator), f"/people/{administrator.pk}/"
    refused = client.post(own, {"platform_role": "administrator"})
    assert refused.status_code == 422
    assert "You cannot switch yourself off" in refused.content.decode()
    assert client.post(own, {"platform_role": "", "is_active": "on"}).status_code == 302, "stepping back is no trap"


def test_another_password_ends_the_sessions(sign_in: SignIn, administrator: User, stranger: User) -> None:
    theirs, client = sign_in(stranger), sign_in(administrator)
    page = f"/people/{stranger.pk}/password/"
    assert client.post(page, {"password": "short"}).status_code == 422
    made = client.post(page, {"password": ""}).context["password"]
    stranger.refresh_from_db()
    assert stranger.check_password(made)
    assert theirs.get("/").status_code == 302


def test_only_administrators_manage_people(sign_in: SignIn, auditor: User, stranger: User) -> None:
    for user in (auditor, stranger):
        client = sign_in(user)
        pages = ("/people/new/", f"/people/{stranger.pk}/", f"/people/{stranger.pk}/password/")
        assert [client.post(page, {"username": "x"}).status_code for page in pages] == [403, 403, 403]
    assert "/people/new/" not in sign_in(auditor).get("/people/").content.decode()
