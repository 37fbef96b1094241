"""The role table, written out a second time: a change must be made, on purpose, in two places."""

from __future__ import annotations

import pytest

from botplatform.accounts.models import User
from botplatform.bots.access import permissions_of
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission, Role, permissions_on_bot, permissions_on_platform

#                                              administrator auditor owner manager developer viewer stranger
ON_THE_BOT = {
    Permission.CONSOLE:             ("yes", "yes", "yes", "yes", "yes", "yes", "no"),
    Permission.VIEW:                ("yes", "yes", "yes", "yes", "yes", "yes", "no"),
    Permission.NODE_CHANGE:         ("yes", "no", "yes", "yes", "yes", "no", "no"),
    Permission.NODE_ATTACH:         ("yes", "no", "yes", "yes", "yes", "no", "no"),
    Permission.NODE_TEST:           ("yes", "no", "yes", "yes", "yes", "no", "no"),
    Permission.NODE_INVOKE:         ("yes", "no", "yes", "yes", "yes", "no", "no"),
    Permission.CERTIFICATE_IMPORT:  ("yes", "no", "yes", "yes", "no", "no", "no"),
    Permission.TRUST_STORE_IMPORT:  ("yes", "no", "yes", "yes", "no", "no", "no"),
    Permission.PEOPLE_MANAGE:       ("yes", "no", "yes", "no", "no", "no", "no"),
    Permission.BOT_CHANGE:          ("yes", "no", "yes", "no", "no", "no", "no"),
    Permission.BOT_CREATE:          ("yes", "no", "no", "no", "no", "no", "no"),
    Permission.AUDIT_VIEW:          ("yes", "yes", "yes", "no", "no", "no", "no"),
    Permission.PLATFORM_VIEW:       ("yes", "yes", "no", "no", "no", "no", "no"),
    Permission.USER_MANAGE:         ("yes", "no", "no", "no", "no", "no", "no"),
    Permission.KEYRING_ROTATE:      ("yes", "no", "no", "no", "no", "no", "no"),
}  # fmt: skip
PEOPLE = ("administrator", "auditor", "owner", "manager", "developer", "viewer", "stranger")
PLATFORM_ROLES = {"administrator": "administrator", "auditor": "auditor"}
BOT_ROLES = {
    "owner": Role.OWNER,
    "manager": Role.CERTIFICATE_MANAGER,
    "developer": Role.DEVELOPER,
    "viewer": Role.VIEWER,
}
EVERYBODY_ON_THE_PLATFORM = {Permission.CONSOLE, Permission.VIEW}


def test_the_table_names_every_permission() -> None:
    assert set(ON_THE_BOT) == set(Permission)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("permission", list(Permission))
def test_role_times_permission(person: str, permission: Permission) -> None:
    granted = permissions_on_bot(PLATFORM_ROLES.get(person, ""), BOT_ROLES.get(person))
    assert (permission in granted) == (ON_THE_BOT[permission][PEOPLE.index(person)] == "yes")


@pytest.mark.parametrize("permission", list(Permission))
def test_what_belongs_to_the_platform(permission: Permission) -> None:
    for platform_role in ("administrator", "auditor"):
        expected = ON_THE_BOT[permission][PEOPLE.index(platform_role)] == "yes"
        assert (permission in permissions_on_platform(platform_role)) == expected
    assert (permission in permissions_on_platform("")) == (permission in EVERYBODY_ON_THE_PLATFORM)


@pytest.mark.parametrize("person", PEOPLE)
def test_the_database_says_the_same(person: str, bot: Bot, request: pytest.FixtureRequest) -> None:
    user: User = request.getfixturevalue(person)
    expected = {permission for permission, row in ON_THE_BOT.items() if row[PEOPLE.index(person)] == "yes"}
    assert permissions_of(user, bot) == expected


@pytest.mark.parametrize("person", PEOPLE)
def test_somebody_switched_off_may_nothing(person: str, bot: Bot, request: pytest.FixtureRequest) -> None:
    user: User = request.getfixturevalue(person)
    user.is_active = False
    user.save()
    assert permissions_of(user, bot) == frozenset()
    assert permissions_of(user, None) == frozenset()
