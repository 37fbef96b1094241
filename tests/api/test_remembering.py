"""What a thread remembers of tokens, bots and nodes holds only while nothing is committed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken, Bot, Membership
from botplatform.bots.roles import Role
from servicenodes.models import SealedHeader, ServiceNode
from tests.api.caller import Caller, caller_of
from tests.factories import make_node

pytestmark = pytest.mark.django_db(transaction=True)
NODE = "/bots/acme/nodes/pay"


@pytest.fixture
def program(bot: Bot, developer: User) -> Caller:
    """A program that has asked before."""
    make_node(bot, "pay")
    caller = caller_of(developer, bot)
    for _ in range(2):  # the first one notes that the token was used
        assert caller("GET", NODE).status_code == 200
    return caller


def elsewhere(act: Callable[[], object]) -> None:
    """Act in another thread, as another process would."""

    def run() -> None:
        act()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_no_table_is_read_twice(program: Caller) -> None:
    """PostgreSQL has one snapshot for all its databases: other processes may commit in between, but not each time."""
    marks = {"sqlite": set(), "postgresql": {"SELECT pg_current_snapshot()::text"}}[connection.vendor]
    asked: list[set[str]] = []
    while len(asked) < 20 and marks not in asked:
        with CaptureQueriesContext(connection) as queries:
            assert program("GET", NODE).status_code == 200
        asked.append({query["sql"] for query in queries})
    assert asked[-1] == marks
    assert connection.vendor != "sqlite" or len(asked) == 1


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (lambda: ApiToken.objects.update(revoked_at="2020-01-01T00:00Z"), 401),
        (lambda: User.objects.update(is_active=False), 401),
        (lambda: Membership.objects.all().delete(), 404),
        (lambda: ApiToken.bots.through.objects.all().delete(), 404),
        (lambda: ApiToken.objects.update(permissions=["audit.view"]), 403),
        (lambda: ServiceNode.objects.all().delete(), 404),
    ],
    ids=("revoked", "left", "no member", "another bot", "no permission", "deleted"),
)
def test_what_is_taken_away_is_gone_for_the_very_next_request(
    program: Caller, act: Callable[[], object], status: int
) -> None:
    elsewhere(act)
    assert program("GET", NODE).status_code == status


def test_what_changes_is_shown_by_the_very_next_request(program: Caller, bot: Bot) -> None:
    elsewhere(lambda: ServiceNode.objects.update(name="Pay anew"))
    assert program("GET", NODE).json()["name"] == "Pay anew"
    node = ServiceNode.objects.get()
    elsewhere(lambda: SealedHeader.objects.create(node=node, name="X-Api-Key", envelope=b"x", key_id="k"))
    assert program("GET", NODE).json()["sealed_headers"] == ["X-Api-Key"]
    elsewhere(lambda: Membership.objects.update(role=Role.VIEWER))
    assert program("PATCH", NODE, {"name": "Mine"}).status_code == 403
    assert program("GET", NODE).json()["name"] == "Pay anew"


def test_a_refused_change_leaves_nothing_behind(program: Caller) -> None:
    """The service was handed a copy."""
    assert program("PATCH", NODE, {"name": "New", "url": "http://plain.example/"}).status_code == 422
    assert program("GET", NODE).json()["name"] == "pay"
