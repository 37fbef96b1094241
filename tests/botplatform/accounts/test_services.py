"""Users: who may make and change them, what is refused and what goes on record."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.accounts.services import change_password, change_user, create_user, record_failed_sign_in
from botplatform.audit.models import AuditEvent
from botplatform.errors import Conflict, InvalidInput, NotAllowed
from tests.conftest import PASSWORD


def last_event() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


def test_an_administrator_makes_a_user(administrator: User) -> None:
    user = create_user(
        actor=Actor.of(administrator), username="anna", password=PASSWORD, full_name="Anna Ölund", email="a@X.example"
    )
    assert user.check_password(PASSWORD)
    assert (user.full_name, user.email, user.is_staff) == ("Anna Ölund", "a@x.example", False)
    assert (last_event().action, last_event().object_name) == ("user.created", "anna")
    assert PASSWORD not in str(AuditEvent.objects.values())


def test_nobody_else_does(owner: User, auditor: User) -> None:
    for user in (owner, auditor):
        with pytest.raises(NotAllowed):
            create_user(actor=Actor.of(user), username="anna", password=PASSWORD)
        with pytest.raises(NotAllowed):
            change_user(actor=Actor.of(user), user=user, platform_role="administrator")
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("username", {"username": "two words"}),
        ("username", {"username": ""}),
        ("username", {"username": "nul\0"}),
        ("username", {"username": "x" * 151}),
        ("password", {"password": "short"}),
        ("password", {"password": "password1234"}),
        ("password", {"password": "annaannaanna"}),
        ("platform_role", {"platform_role": "king"}),
        ("email", {"email": "nowhere"}),
        ("full_name", {"full_name": "two\nlines"}),
    ],
)
def test_values_that_are_no_good(field: str, values: dict[str, str], operator: Actor) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_user(actor=operator, **{"username": "annaanna", "password": PASSWORD, **values})
    assert refused.value.field == field
    assert not User.objects.exists()


def test_a_name_is_taken_once(owner: User, operator: Actor) -> None:
    with pytest.raises(Conflict, match="already a user called “owner”"):
        create_user(actor=operator, username="owner", password=PASSWORD)


def test_changes_are_on_record_once(owner: User, administrator: User) -> None:
    actor = Actor.of(administrator)
    changed = change_user(actor=actor, user=owner, platform_role="auditor", full_name="", is_active=True)
    assert changed.is_auditor
    assert last_event().facts == {"platform_role": {"from": "", "to": "auditor"}}
    change_user(actor=actor, user=owner, platform_role="auditor")
    assert AuditEvent.objects.count() == 1
    with pytest.raises(InvalidInput):
        change_user(actor=actor, user=owner, password="x")


def test_the_last_administrator_stays(administrator: User, operator: Actor) -> None:
    actor = Actor.of(administrator)
    for changes in ({"platform_role": ""}, {"is_active": False}):
        with pytest.raises(Conflict, match="last platform administrator"):
            change_user(actor=actor, user=administrator, **changes)
    assert not change_user(actor=operator, user=administrator, is_active=False).is_active


def test_a_password_is_ones_own_or_an_administrators_business(owner: User, viewer: User, administrator: User) -> None:
    change_password(actor=Actor.of(owner), user=owner, password="another calm otter")
    change_password(actor=Actor.of(administrator), user=viewer, password="another calm otter")
    assert User.objects.get(pk=viewer.pk).check_password("another calm otter")
    assert last_event().facts == {"changed": "password"}
    with pytest.raises(NotAllowed):
        change_password(actor=Actor.of(owner), user=viewer, password="another calm otter")


@pytest.mark.parametrize(("typed", "shown"), [("owner", "owner"), (PASSWORD, "unknown user"), ("a\0b", "unknown user")])
def test_what_was_typed_is_recorded_only_when_it_is_a_user(owner: User, typed: str, shown: str) -> None:
    record_failed_sign_in(username=typed, address="192.0.2.1")
    event = last_event()
    assert (event.object_name, event.actor_name, event.facts) == (shown, "platform", {"address": "192.0.2.1"})


@pytest.mark.parametrize(("there", "wanted"), [("anna", "Anna"), ("Ägir", "ägir"), ("weiss", "weiß")])
def test_a_name_that_differs_only_by_its_capitals_is_taken(there: str, wanted: str, administrator: User) -> None:
    create_user(actor=Actor.of(administrator), username=there, password=PASSWORD)
    with pytest.raises(Conflict, match=f"already a user called “{there}”"):
        create_user(actor=Actor.of(administrator), username=wanted, password=PASSWORD)
    assert User.objects.count() == 2
