"""Every role and every token against every operation: allowed, 403, or the one 404."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import TOKEN_PERMISSIONS, Permission, Role, permissions_on_bot
from tests.api.caller import REPORT, Caller, bundle, caller_of
from tests.architecture.test_urls import operations
from tests.factories import (
    make_alarm,
    make_certificate,
    make_node,
    make_request,
    make_test,
    make_trust_store,
    make_user,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db
ISSUED = CA.root().issue("client.example")
ONE = "00000000-0000-0000-0000-000000000001"
BODIES: dict[str, dict[str, Any]] = {
    "create_bot": {"slug": "new"},
    "change_bot": {"name": "New"},
    "add_node": {"name": "New", "url": "https://api.bank.example/"},
    "edit_node": {"name": "New"},
    "attach_certificate": {"certificate": "acme/api"},
    "edit_certificate": {"allowed_hosts": ["api.bank.example"]},
    "invoke": {},
    "close_alarm": {"reason": "The bank follows"},
    "create_csr": {"subject": "CN=new"},
    "set_renewal": {"issuer": None},
}
UPLOADS: dict[str, dict[str, Any]] = {
    "import_files": {"name": "new", "files": b"-"},
    "add_version": {"files": b"-"},
    "import_anchors": {"name": "new", "files": b"-"},
    "inspect_files": {"files": b"-", "bot": "acme"},
    "import_definition": {"files": b"-"},
    "complete_csr": {"files": b"-"},
}
ANYWHERE = {"list_events", "inspect_files"}
REACHED = {200, 201, 202, 204, 409, 422, 424}  # what comes after the permission


@pytest.fixture(autouse=True)
def _objects(bot: Bot, other_bot: Bot, settings: Settings) -> None:
    settings.API_CALLS_PER_MINUTE = 0
    node = make_node(bot, "pay", url="https://127.0.0.1:9/")
    make_test(node, id=ONE, verdict="address_denied", report=REPORT)
    for owner in (None, bot):
        version = make_certificate(owner, "api", issued=ISSUED).versions.get()
        make_request(version)
        make_trust_store(owner, "api")
    make_alarm(node, version, id=ONE)


def attempt(call: Caller, method: str, path: str, name: str, bot: str) -> Any:
    """One valid request of the operation; what it changed is undone."""
    short = name.removeprefix("bot_").removeprefix("platform_")
    address = path.format(bot=bot, node="pay", name="api", number=1, test=ONE, alarm=ONE)
    with transaction.atomic():
        fields = UPLOADS.get(short)
        answer = call.upload(address, fields) if fields else call(method, address, BODIES.get(short))
        transaction.set_rollback(True)
    return answer


def user_with(role: str, bot: Bot) -> User:
    if role in {"administrator", "auditor"}:
        return make_user(platform_role=role)
    user = make_user()
    if role != "stranger":
        Membership.objects.create(user=user, bot=bot, role=role)
    return user


def may(name: str, path: str, permission: Permission, role: str, granted: frozenset[Permission]) -> bool:
    """What a token for the bot alone is expected to reach."""
    platform_role = role if role in {"administrator", "auditor"} else ""
    on_bot = permissions_on_bot(platform_role, None if platform_role else role)
    if permission not in granted:
        return False
    if name == "list_events":
        return True  # narrowed to what may be read
    if ("{bot}" in path and name != "delete_bot") or name == "inspect_files":
        return permission in on_bot
    return permission is Permission.VIEW  # of the platform a token for some bots has what everybody has


@pytest.mark.parametrize("granted", [TOKEN_PERMISSIONS, frozenset({Permission.VIEW})], ids=["all", "view"])
@pytest.mark.parametrize("role", [*(role.value for role in Role), "administrator", "auditor"])
def test_a_token_for_one_bot(role: str, granted: frozenset[Permission], bot: Bot) -> None:
    call = caller_of(user_with(role, bot), bot, permissions=granted)
    for path, operation in operations():
        name, permission = operation.operation_id, operation.view_func.permission
        answer = attempt(call, operation.methods[0], path, name, "acme")
        if may(name, path, permission, role, granted):
            assert answer.status_code in REACHED, (name, answer.content)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), (name, answer.content)


@pytest.mark.parametrize("role", ["stranger", "owner", "administrator"])
def test_a_foreign_bot_is_no_bot(role: str, bot: Bot, other_bot: Bot) -> None:
    """The bot is visible to an administrator, and yet not to a token of theirs for another one."""
    call = caller_of(user_with(role, other_bot), other_bot)
    answers = set()
    for path, operation in operations():
        if "{bot}" in path:
            for slug in ("acme", "nobody"):
                answer = attempt(call, operation.methods[0], path, operation.operation_id, slug)
                answers.add((answer.status_code, answer.content, str(sorted(answer.headers.items()))))
    assert len(answers) == 1
    assert answers.pop()[0] == 404


def test_an_administrators_token_for_everything_reaches_everything(call: Caller) -> None:
    for path, operation in operations():
        answer = attempt(call, operation.methods[0], path, operation.operation_id, "acme")
        assert answer.status_code in REACHED, (operation.operation_id, answer.content)


def test_what_is_imported_here_is_real(call: Caller) -> None:
    assert call.upload("/bots/acme/certificates", {"name": "new", "files": bundle(ISSUED)}).status_code == 201
