"""Two administrators at once: who switch each other off, or make the same user."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import PlatformRole, User
from botplatform.accounts.services import change_user, create_user
from botplatform.errors import Conflict
from tests.conftest import PASSWORD
from tests.factories import make_user

ROUNDS = 8


def switch_off(barrier: Barrier, actor: User, user: User) -> str:
    try:
        barrier.wait()
        change_user(actor=Actor.of(actor), user=user, is_active=False)
    except Conflict:
        return "conflict"
    finally:
        connection.close()
    return "done"


@pytest.mark.django_db(transaction=True)
def test_one_administrator_stays_and_nobody_waits_in_vain() -> None:
    for _ in range(ROUNDS):
        User.objects.all().delete()
        one, other = (make_user(platform_role=PlatformRole.ADMINISTRATOR) for _ in range(2))
        barrier = Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            outcomes = pool.map(switch_off, (barrier, barrier), (one, other), (other, one))
            assert sorted(outcomes) == ["conflict", "done"]
        assert User.objects.filter(is_active=True).count() == 1


def make(barrier: Barrier, actor: User, username: str) -> str:
    try:
        barrier.wait()
        create_user(actor=Actor.of(actor), username=username, password=PASSWORD)
    except Conflict:
        return "conflict"
    finally:
        connection.close()
    return "done"


@pytest.mark.django_db(transaction=True)
def test_of_two_names_that_differ_only_by_their_capitals_one_is_made() -> None:
    administrators = [make_user(platform_role=PlatformRole.ADMINISTRATOR) for _ in range(2)]
    for number in range(ROUNDS):
        barrier = Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            outcomes = pool.map(make, (barrier, barrier), administrators, (f"anna{number}", f"Anna{number}"))
            assert sorted(outcomes) == ["conflict", "done"]
