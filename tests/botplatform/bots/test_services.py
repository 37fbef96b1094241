"""Bots and their people: who may, what is refused and what goes on record."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Role
from botplatform.bots.services.bots import change_bot, create_bot
from botplatform.bots.services.people import add_member, change_member, remove_member
from botplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound


def last_event() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def test_an_administrator_makes_a_bot(administrator: User) -> None:
    bot = create_bot(actor=Actor.of(administrator), slug="acme")
    assert (bot.slug, bot.name) == ("acme", "acme")
    event = last_event()
    assert (event.action, event.actor_name, event.bot_id) == ("bot.created", "administrator", bot.pk)


def test_others_make_no_bot(owner: User, auditor: User, stranger: User) -> None:
    for user in (owner, auditor, stranger):
        with pytest.raises(NotAllowed):
            create_bot(actor=Actor.of(user), slug="mine")
    assert not Bot.objects.filter(slug="mine").exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "slug", ["Acme", "a b", "a--b", "-a", "a-", "a/b", "platform", "a\n", "a\0", "é", "x" * 64, "../etc", "new"]
)
@pytest.mark.django_db
def test_a_slug_that_is_not_one(slug: str, operator: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_bot(actor=operator, slug=slug, name="Acme")
    assert refused.value.field == "slug"


@pytest.mark.parametrize("name", [" ", "a\nb", "a\0b", "x" * 201, "a\u202eb", "a\u200bb", "\u200f", "\u200d", "\u3164"])
@pytest.mark.django_db
def test_a_name_that_nobody_could_read(name: str, operator: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_bot(actor=operator, slug="acme", name=name)
    assert refused.value.field == "name"


def test_a_slug_is_taken_once(bot: Bot, operator: Actor) -> None:
    with pytest.raises(Conflict, match="already a bot called “acme”"):
        create_bot(actor=operator, slug="acme")
    assert not AuditEvent.objects.exists()


def test_an_owner_renames(bot: Bot, owner: User, developer: User) -> None:
    assert change_bot(actor=Actor.of(owner), bot=bot, name="Acme 2").name == "Acme 2"
    assert last_event().facts == {"name": {"from": "Acme assistant", "to": "Acme 2"}}
    change_bot(actor=Actor.of(owner), bot=bot, name="Acme 2")
    assert AuditEvent.objects.count() == 1
    with pytest.raises(NotAllowed):
        change_bot(actor=Actor.of(developer), bot=bot, name="Mine")


def test_the_database_refuses_what_the_services_would(bot: Bot, viewer: User) -> None:
    for values in ({"slug": "platform"}, {"slug": "A"}, {"slug": ""}, {"name": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Bot.objects.filter(pk=bot.pk).update(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(user=viewer).update(role="king")


def test_people_come_change_and_go(bot: Bot, owner: User, stranger: User) -> None:
    actor = Actor.of(owner)
    membership = add_member(actor=actor, bot=bot, user=stranger, role="viewer")
    assert (last_event().action, last_event().object_name) == ("member.added", "acme/stranger")
    membership = change_member(actor=actor, membership=membership, role=Role.DEVELOPER)
    assert last_event().facts == {"role": {"from": "viewer", "to": "developer"}}
    remove_member(actor=actor, membership=membership)
    assert (last_event().action, last_event().object_id) == ("member.removed", str(membership.pk))
    assert not Membership.objects.filter(user=stranger).exists()
    with pytest.raises(NotFound):
        remove_member(actor=actor, membership=membership)


def test_nobody_belongs_twice_or_in_an_unknown_role(bot: Bot, owner: User, viewer: User, stranger: User) -> None:
    with pytest.raises(Conflict, match="already belongs"):
        add_member(actor=Actor.of(owner), bot=bot, user=viewer, role="viewer")
    with pytest.raises(InvalidInput, match="not a role"):
        add_member(actor=Actor.of(owner), bot=bot, user=stranger, role="king")
    stranger.is_active = False
    with pytest.raises(InvalidInput, match="not active"):
        add_member(actor=Actor.of(owner), bot=bot, user=stranger, role="viewer")


def test_only_owners_and_administrators_manage_people(
    bot: Bot, manager: User, developer: User, viewer: User, auditor: User, stranger: User
) -> None:
    for user in (manager, developer, viewer, auditor, stranger):
        with pytest.raises(NotAllowed):
            add_member(actor=Actor.of(user), bot=bot, user=stranger, role="owner")


def test_the_last_owner_stays(bot: Bot, owner: User) -> None:
    with pytest.raises(Conflict, match="last owner"):
        remove_member(actor=Actor.of(owner), membership=membership_of(owner))
    with pytest.raises(Conflict, match="last owner"):
        change_member(actor=Actor.of(owner), membership=membership_of(owner), role="viewer")


def test_an_owner_who_cannot_sign_in_does_not_count(bot: Bot, owner: User, stranger: User) -> None:
    other = Membership.objects.create(bot=bot, user=stranger, role=Role.OWNER)
    stranger.is_active = False
    stranger.save()
    with pytest.raises(Conflict):
        remove_member(actor=Actor.of(owner), membership=membership_of(owner))
    stranger.is_active = True
    stranger.save()
    remove_member(actor=Actor.of(owner), membership=membership_of(owner))
    assert other.bot == bot


def test_an_administrator_may_remove_the_last_owner(owner: User, administrator: User) -> None:
    remove_member(actor=Actor.of(administrator), membership=membership_of(owner))
    assert not Membership.objects.exists()


@pytest.mark.django_db
def test_a_refused_field_is_named_as_forms_name_it(operator: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_bot(actor=operator, slug="Not a slug", name="Acme")
    assert refused.value.text == "Short name: Use lower-case letters, digits and single hyphens."
    assert refused.value.beside == "Use lower-case letters, digits and single hyphens."
