"""The Django admin of users, bots and people: through the services, or not at all."""

from __future__ import annotations

from collections.abc import Callable

from django.test import Client

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot, Membership
from tests.conftest import PASSWORD

SignIn = Callable[[User], Client]


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def test_a_user_is_made_changed_and_never_deleted(administrator: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    form = {"username": "anna", "full_name": "Anna", "email": "", "platform_role": "", "new_password": PASSWORD}
    assert client.post("/admin/accounts/user/add/", {**form, "new_password": ""}).status_code == 200
    assert client.post("/admin/accounts/user/add/", form).status_code == 302
    anna = User.objects.get(username="anna")
    assert anna.check_password(PASSWORD)
    page = f"/admin/accounts/user/{anna.pk}/change/"
    assert PASSWORD.encode() not in client.get(page).content
    changes = {"full_name": "Anna B", "email": "", "platform_role": "auditor", "is_active": "on", "new_password": ""}
    assert client.post(page, changes).status_code == 302
    anna.refresh_from_db()
    assert (anna.full_name, anna.platform_role) == ("Anna B", "auditor")
    assert client.post(f"/admin/accounts/user/{anna.pk}/delete/", {"post": "yes"}).status_code == 403
    assert actions() == ["user.created", "user.changed"]


def test_a_refusal_is_a_sentence_and_changes_nothing(administrator: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    page = f"/admin/accounts/user/{administrator.pk}/change/"
    changes = {"full_name": "Other", "email": "", "platform_role": "auditor", "is_active": "on", "new_password": ""}
    answer = client.post(page, changes, follow=True)
    assert b"the last platform administrator" in answer.content
    administrator.refresh_from_db()
    assert (administrator.full_name, administrator.is_administrator) == ("", True)
    assert actions() == []


def test_bots_and_people(administrator: User, stranger: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    assert client.post("/admin/bots/bot/add/", {"slug": "acme", "name": "Acme"}).status_code == 302
    bot = Bot.objects.get()
    assert client.post(f"/admin/bots/bot/{bot.pk}/change/", {"name": "Acme 2"}).status_code == 302
    form = {"bot": str(bot.pk), "user": str(stranger.pk), "role": "viewer"}
    assert client.post("/admin/bots/membership/add/", form).status_code == 302
    membership = Membership.objects.get()
    page = f"/admin/bots/membership/{membership.pk}"
    assert client.post(f"{page}/change/", {"role": "owner"}).status_code == 302
    assert client.post(f"{page}/delete/", {"post": "yes"}).status_code == 302
    assert not Membership.objects.exists()
    assert actions() == ["bot.created", "bot.changed", "member.added", "member.changed", "member.removed"]


def test_an_auditor_looks_and_changes_nothing(auditor: User, bot: Bot, sign_in: SignIn) -> None:
    client = sign_in(auditor)
    for page in ("/admin/", "/admin/bots/bot/", f"/admin/bots/bot/{bot.pk}/change/", "/admin/accounts/user/"):
        assert client.get(page).status_code == 200
    assert client.post(f"/admin/bots/bot/{bot.pk}/change/", {"name": "Mine"}).status_code == 403
    assert client.get("/admin/bots/bot/add/").status_code == 403


def test_others_see_nothing_of_it(owner: User, sign_in: SignIn) -> None:
    assert sign_in(owner).get("/admin/bots/bot/").status_code == 302


def test_whoever_may_not_open_the_admin_is_told(owner: User, sign_in: SignIn) -> None:
    page = sign_in(owner).get("/admin/", follow=True)
    assert page.redirect_chain[-1][0] == "/"
    assert "The Django admin is for platform administrators and auditors" in page.content.decode()
