"""Two administrators who switch each other off at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import PlatformRole, User
from botplatform.accounts.services import change_user
from botplatform.errors import Conflict
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
