"""The scope `visible_to`, and the guard of views: 404 for what one may not know, 403 for what one may not do."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import authorize, require_permission
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import PERMISSION_WORDS, Permission, Role
from botplatform.errors import NotAllowed


@require_permission(Permission.PEOPLE_MANAGE)
def people_view(request: HttpRequest, bot: Bot) -> HttpResponse:
    return HttpResponse(bot.slug)


@require_permission(Permission.PLATFORM_VIEW)
def platform_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("platform")


def request_of(user: User | AnonymousUser) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_visible_to_is_everything_or_ones_own(
    bot: Bot, other_bot: Bot, administrator: User, auditor: User, viewer: User, stranger: User
) -> None:
    assert set(Bot.objects.visible_to(administrator)) == {bot, other_bot}
    assert set(Bot.objects.visible_to(auditor)) == {bot, other_bot}
    assert list(Bot.objects.visible_to(viewer)) == [bot]
    assert list(Bot.objects.visible_to(stranger)) == []
    assert list(Bot.objects.visible_to(AnonymousUser())) == []


def test_a_bot_is_listed_once_whatever_its_number_of_people(bot: Bot, owner: User, viewer: User) -> None:
    assert Bot.objects.visible_to(owner).count() == 1


def test_nobody_switched_off_sees_anything(bot: Bot, administrator: User) -> None:
    administrator.is_active = False
    assert not Bot.objects.visible_to(administrator).exists()


def test_the_view_gets_the_bot_itself(bot: Bot, owner: User) -> None:
    request = request_of(owner)
    assert people_view(request, bot="acme").content == b"acme"
    assert Permission.PEOPLE_MANAGE in request.permissions  # type: ignore[attr-defined]


@pytest.mark.parametrize("slug", ["globex", "missing"])
def test_a_foreign_bot_and_a_missing_one_are_the_same(slug: str, bot: Bot, other_bot: Bot, owner: User) -> None:
    with pytest.raises(Http404) as refused:
        people_view(request_of(owner), bot=slug)
    assert str(refused.value) == ""


def test_a_visible_bot_without_the_permission(bot: Bot, viewer: User) -> None:
    with pytest.raises(NotAllowed, match="may not add or change people"):
        people_view(request_of(viewer), bot="acme")


def test_an_owner_of_a_bot_is_nobody_on_the_platform(owner: User, auditor: User) -> None:
    assert platform_view(request_of(auditor)).content == b"platform"
    with pytest.raises(NotAllowed):
        platform_view(request_of(owner))


@pytest.mark.django_db
def test_nobody_signed_in_is_sent_to_sign_in() -> None:
    answer = people_view(request_of(AnonymousUser()), bot="acme")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_services_refuse_with_one_sentence(bot: Bot, other_bot: Bot, owner: User) -> None:
    authorize(Actor.of(owner), Permission.BOT_CHANGE, bot=bot)
    with pytest.raises(NotAllowed, match=r"owner lacks the permission “bot\.change” on the bot globex"):
        authorize(Actor.of(owner), Permission.BOT_CHANGE, bot=other_bot)
    with pytest.raises(NotAllowed, match="on the platform"):
        authorize(Actor.of(owner), Permission.BOT_CREATE, bot=None)


def test_the_operating_system_user_and_the_product_may_everything(bot: Bot) -> None:
    for actor in (Actor.operating_system(), Actor.platform()):
        for permission in Permission:
            authorize(actor, permission, bot=bot)
            authorize(actor, permission, bot=None)


def test_roles_on_two_bots_stay_apart(bot: Bot, other_bot: Bot, owner: User) -> None:
    Membership.objects.create(user=owner, bot=other_bot, role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        people_view(request_of(owner), bot="globex")


def test_a_refusal_names_act_role_and_whom_to_ask(
    client: Client, bot: Bot, viewer: User, owner: User, auditor: User
) -> None:
    def said(user: User, path: str) -> str:
        client.force_login(user)
        answer = client.get(path)
        assert answer.status_code == 403
        return str(answer.content.decode())

    words = "you may not create or change service nodes. Ask an owner (owner) for another role."
    assert f"As viewer of Acme assistant {words}" in said(viewer, "/bots/acme/nodes/new/")
    assert f"As auditor of Acme assistant {words}" in said(auditor, "/bots/acme/nodes/new/")
    assert "Only platform administrators may create bots here." in said(owner, "/bots/new/")
    assert "Only platform administrators and auditors may see" in said(owner, "/settings/")
    Membership.objects.filter(user=owner).delete()
    assert "Ask a platform administrator for another role." in said(viewer, "/bots/acme/nodes/new/")


def test_every_permission_has_words() -> None:
    assert set(PERMISSION_WORDS) == set(Permission)
