"""API tokens: what they carry, what becomes of them, and that their text is nowhere to be found."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import pytest
import time_machine
from django.core import serializers
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.access import actor_permissions
from botplatform.bots.models import ApiToken, Bot, Membership
from botplatform.bots.roles import ROLE_PERMISSIONS, TOKEN_PERMISSIONS, Permission, Role
from botplatform.bots.services.bots import delete_bot
from botplatform.bots.services.tokens import authenticate, create_token, note_use, revoke_token
from botplatform.errors import InvalidInput, NotAllowed
from certificates.lookup import visible_bots, visible_certificates
from tests.factories import make_bot, make_certificate

pytestmark = pytest.mark.django_db
VIEW, TEST = Permission.VIEW, Permission.NODE_TEST


def token_of(user: User, *bots: Bot, permissions: tuple[str, ...] = (VIEW,)) -> tuple[ApiToken, str]:
    """A token for these bots, or for all when none is given."""
    return create_token(
        actor=Actor.of(user),
        name="nightly",
        permissions=permissions,
        bots=bots,
        all_bots=not bots,
        expires_at=timezone.now() + timedelta(days=30),
    )


def test_a_token_is_recognised_and_only_as_a_whole(developer: User, bot: Bot) -> None:
    token, text = token_of(developer, bot)
    assert text.startswith(f"bpt_{token.prefix}_")
    assert len(text.split("_", 2)[2]) >= 43  # 256 bits in base64
    assert authenticate(text) == token
    other = text[:-1] + ("a" if text[-1] != "a" else "b")
    for wrong in ("", "bpt_", f"bpt_{token.prefix}_", other, text + "x", text.upper(), f"{text}\0", "bpt_\0_x", "ü"):
        assert authenticate(wrong) is None, wrong


def test_its_text_is_stored_nowhere(developer: User, bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _, text = token_of(developer, bot)
        authenticate(text)
        authenticate(f"{text}x")
    secret = text.split("_", 2)[2]
    rows = serializers.serialize("json", [*ApiToken.objects.all(), *AuditEvent.objects.all()])
    assert secret not in rows
    assert secret not in caplog.text
    event = AuditEvent.objects.get(action="token.created")
    assert (event.bot_id, event.facts["of"], event.facts["permissions"]) == (bot.pk, "developer", ["bot.view"])


@pytest.mark.parametrize(
    ("permissions", "message"),
    [
        ((Permission.CERTIFICATE_IMPORT,), "lacks the permission “certificate.import” on the bot acme"),
        ((Permission.USER_MANAGE,), "cannot carry the permission “user.manage”"),
        (("no.such",), "cannot carry"),
        ((), "at least one permission"),
    ],
)
def test_nobody_gives_what_they_have_not(developer: User, bot: Bot, permissions: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        token_of(developer, bot, permissions=permissions)
    with pytest.raises(InvalidInput):
        token_of(developer, permissions=permissions)


def test_nor_for_a_foreign_bot(developer: User, other_bot: Bot) -> None:
    with pytest.raises(InvalidInput, match="lacks the permission"):
        token_of(developer, other_bot)


def test_expiry_is_at_most_a_year(developer: User, bot: Bot, now: datetime) -> None:
    for expires_at in (now - timedelta(seconds=5), now + timedelta(days=367)):
        with pytest.raises(InvalidInput, match="at most a year"):
            create_token(actor=Actor.of(developer), name="x", permissions=[VIEW], bots=[bot], expires_at=expires_at)


def test_either_some_bots_or_all(developer: User, bot: Bot, now: datetime) -> None:
    for bots, all_bots in (([bot], True), ([], False)):
        with pytest.raises(InvalidInput, match="either for all bots"):
            create_token(
                actor=Actor.of(developer),
                name="x",
                permissions=[VIEW],
                bots=bots,
                all_bots=all_bots,
                expires_at=now + timedelta(days=1),
            )


def test_it_ends_by_expiry_revocation_and_with_its_creator(
    developer: User, bot: Bot, clock: time_machine.Traveller
) -> None:
    token, text = token_of(developer, bot)
    developer.is_active = False
    developer.save()
    assert authenticate(text) is None
    developer.is_active = True
    developer.save()
    assert authenticate(text) == token
    clock.shift(timedelta(days=30))
    assert authenticate(text) is None
    clock.shift(timedelta(days=-1))
    assert authenticate(text) == token
    revoke_token(actor=Actor.of(developer), token=token)
    assert authenticate(text) is None
    revoke_token(actor=Actor.of(developer), token=token)
    assert AuditEvent.objects.filter(action="token.revoked").count() == 1


def test_who_may_revoke(developer: User, manager: User, administrator: User, bot: Bot) -> None:
    token, _ = token_of(developer, bot)
    with pytest.raises(NotAllowed):
        revoke_token(actor=Actor.of(manager), token=token)
    with pytest.raises(NotAllowed):
        revoke_token(actor=Actor.of_token(token), token=token)
    assert revoke_token(actor=Actor.of(administrator), token=token).revoked_at


def test_who_may_make_one_for_whom(developer: User, administrator: User, operator: Actor, bot: Bot) -> None:
    values = {"name": "x", "permissions": [VIEW], "bots": [bot], "expires_at": timezone.now() + timedelta(days=1)}
    token, _ = create_token(actor=operator, owner=developer, **values)  # type: ignore[arg-type]
    assert token.created_by == developer
    with pytest.raises(InvalidInput, match="Name the user"):
        create_token(actor=operator, **values)  # type: ignore[arg-type]
    for actor in (Actor.of(administrator), Actor.of_token(token)):
        with pytest.raises(NotAllowed):
            create_token(actor=actor, owner=developer, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("granted", [frozenset({VIEW}), frozenset({VIEW, TEST}), TOKEN_PERMISSIONS])
def test_it_may_what_it_was_given_and_its_creator_still_may(
    administrator: User, bot: Bot, other_bot: Bot, role: Role, granted: frozenset[Permission]
) -> None:
    token, _ = token_of(administrator, bot, permissions=tuple(granted))
    administrator.platform_role = ""
    administrator.save()
    Membership.objects.create(user=administrator, bot=bot, role=role)
    Membership.objects.create(user=administrator, bot=other_bot, role=Role.OWNER)
    actor = Actor.of_token(ApiToken.objects.get(pk=token.pk))
    assert actor_permissions(actor, bot) == granted & ROLE_PERMISSIONS[role]
    assert actor_permissions(actor, other_bot) == frozenset()
    assert actor_permissions(actor, None) == frozenset({VIEW})
    assert list(visible_bots(actor)) == [bot]


def test_an_administrators_token_for_one_bot_is_no_administrator(administrator: User, bot: Bot, other_bot: Bot) -> None:
    make_certificate(other_bot, "secret")
    make_certificate(None, "shared")
    token, _ = token_of(administrator, bot, permissions=tuple(TOKEN_PERMISSIONS))
    actor = Actor.of_token(token)
    assert [token.is_administrator, token.is_auditor] == [False, False]
    assert actor_permissions(actor, None) == frozenset({VIEW})
    assert [found.path for found in visible_certificates(actor)] == ["platform/shared"]
    assert {event.bot_id for event in AuditEvent.objects.visible_to(token)} == {bot.pk}
    everywhere, _ = token_of(administrator, permissions=tuple(TOKEN_PERMISSIONS))
    assert actor_permissions(Actor.of_token(everywhere), other_bot) == TOKEN_PERMISSIONS
    assert set(visible_bots(Actor.of_token(everywhere))) == {bot, other_bot}


def test_a_token_whose_bot_is_gone_is_not_one_for_all_bots(administrator: User, operator: Actor, bot: Bot) -> None:
    token, text = token_of(administrator, bot, permissions=tuple(TOKEN_PERMISSIONS))
    delete_bot(actor=operator, bot=bot)
    make_bot()
    assert authenticate(text) == token
    assert not visible_bots(Actor.of_token(ApiToken.objects.get(pk=token.pk))).exists()


def test_use_is_noted_at_most_once_a_minute(developer: User, bot: Bot, clock: time_machine.Traveller) -> None:
    token, _ = token_of(developer, bot)
    first = timezone.now()
    note_use(token)
    clock.shift(timedelta(seconds=30))
    token.refresh_from_db()
    note_use(token)
    token.refresh_from_db()
    assert token.last_used_at == first
    clock.shift(timedelta(seconds=30))
    note_use(token)
    token.refresh_from_db()
    assert token.last_used_at == timezone.now()


def test_the_trail_names_the_token_and_its_creator(developer: User, bot: Bot) -> None:
    token, _ = token_of(developer, bot)
    actor = Actor.of_token(token)
    assert actor.name == f"token {token.prefix} of developer"
    assert (actor.recorded_id, actor.user_id) == (token.pk, None)
