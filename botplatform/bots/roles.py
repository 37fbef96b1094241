"""The one table role → permissions. Pure: no Django, no database.

A role on a bot includes everything the role before it may do:
viewer < developer < certificate manager < owner.
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """What can be allowed. Every view, service and API route names one of these."""

    CONSOLE = "console.view"  # sign in and see what is visible to you
    VIEW = "bot.view"  # a bot, its nodes, certificates, tests
    NODE_CHANGE = "node.change"
    NODE_ATTACH = "node.attach"
    NODE_TEST = "node.test"
    NODE_INVOKE = "node.invoke"  # make the real call
    CERTIFICATE_IMPORT = "certificate.import"  # includes choosing the default, and what versions become
    TRUST_STORE_IMPORT = "trust_store.import"
    PEOPLE_MANAGE = "people.manage"
    BOT_CHANGE = "bot.change"
    BOT_CREATE = "bot.create"  # platform-wide
    AUDIT_VIEW = "audit.view"
    PLATFORM_VIEW = "platform.view"  # settings page, all people
    USER_MANAGE = "user.manage"  # platform-wide: create users, change anybody's account
    KEYRING_ROTATE = "keyring.rotate"  # platform-wide


# What each of them lets one do, to be said after “you may not”.
PERMISSION_WORDS = {
    Permission.CONSOLE: "use the console",
    Permission.VIEW: "look at this",
    Permission.NODE_CHANGE: "create or change service nodes",
    Permission.NODE_ATTACH: "attach certificates to service nodes",
    Permission.NODE_TEST: "test connections",
    Permission.NODE_INVOKE: "call service nodes",
    Permission.CERTIFICATE_IMPORT: "import or change certificates",
    Permission.TRUST_STORE_IMPORT: "import or change trust stores",
    Permission.PEOPLE_MANAGE: "add or change people",
    Permission.BOT_CHANGE: "change the bot",
    Permission.BOT_CREATE: "create bots",
    Permission.AUDIT_VIEW: "see the audit trail",
    Permission.PLATFORM_VIEW: "see the platform’s settings and people",
    Permission.USER_MANAGE: "create or change users",
    Permission.KEYRING_ROTATE: "rotate the keyring",
}


class Role(StrEnum):
    """What a user is for one bot."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    CERTIFICATE_MANAGER = "certificate_manager"
    OWNER = "owner"


_VIEWER = frozenset({Permission.CONSOLE, Permission.VIEW})
_DEVELOPER = _VIEWER | {
    Permission.NODE_CHANGE,
    Permission.NODE_ATTACH,
    Permission.NODE_TEST,
    Permission.NODE_INVOKE,
}
_MANAGER = _DEVELOPER | {Permission.CERTIFICATE_IMPORT, Permission.TRUST_STORE_IMPORT}
_OWNER = _MANAGER | {Permission.PEOPLE_MANAGE, Permission.BOT_CHANGE, Permission.AUDIT_VIEW}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.DEVELOPER: _DEVELOPER,
    Role.CERTIFICATE_MANAGER: _MANAGER,
    Role.OWNER: _OWNER,
}

ADMINISTRATOR_PERMISSIONS = frozenset(Permission)
AUDITOR_PERMISSIONS = frozenset({Permission.CONSOLE, Permission.VIEW, Permission.AUDIT_VIEW, Permission.PLATFORM_VIEW})
# What anybody who can sign in may do with what belongs to the platform: its default
# certificate is presented by everybody's nodes, so everybody may see its public facts.
EVERYBODY_PERMISSIONS = frozenset({Permission.CONSOLE, Permission.VIEW})
# What a token can carry: what some route of the HTTP API asks for. People manage people, accounts and the keyring.
TOKEN_PERMISSIONS = frozenset(Permission) - {
    Permission.CONSOLE,
    Permission.PEOPLE_MANAGE,
    Permission.PLATFORM_VIEW,
    Permission.USER_MANAGE,
    Permission.KEYRING_ROTATE,
}


def permissions_on_bot(platform_role: str, bot_role: str | None) -> frozenset[Permission]:
    """What somebody with these roles may do with one bot and all that belongs to it."""
    of_bot = ROLE_PERMISSIONS[Role(bot_role)] if bot_role else frozenset()
    return of_bot | _of_platform_role(platform_role)


def permissions_on_platform(platform_role: str) -> frozenset[Permission]:
    """What somebody with this platform role may do with what belongs to no bot."""
    return EVERYBODY_PERMISSIONS | _of_platform_role(platform_role)


def _of_platform_role(platform_role: str) -> frozenset[Permission]:
    if platform_role == "administrator":
        return ADMINISTRATOR_PERMISSIONS
    return AUDITOR_PERMISSIONS if platform_role == "auditor" else frozenset()
