"""The mark of what was committed: it stands still only while nothing is."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from botplatform.bots.models import Bot
from botplatform.database_state import committed_state
from tests.factories import make_bot


@pytest.mark.django_db(transaction=True)
def test_every_commit_moves_the_mark_and_nothing_else_does(bot: Bot) -> None:
    def elsewhere() -> None:
        with transaction.atomic():
            Bot.objects.update(name="Renamed elsewhere")
        connection.close()

    before = committed_state()
    assert before is not None
    assert Bot.objects.count() == 1
    assert committed_state() == before  # reading is no change
    Bot.objects.update(name="Renamed here")
    mine = committed_state()
    assert mine != before
    other = threading.Thread(target=elsewhere)
    other.start()
    other.join()
    theirs = committed_state()
    assert theirs not in {before, mine}
    make_bot()
    Bot.objects.exclude(pk=bot.pk).delete()
    assert committed_state() != theirs


@pytest.mark.django_db(transaction=True)
def test_a_transaction_has_no_mark(bot: Bot) -> None:
    """It may see its own changes, which a rollback takes back."""
    with transaction.atomic():
        Bot.objects.update(name="Never")
        assert committed_state() is None
        transaction.set_rollback(True)
    assert committed_state() is not None
    transaction.set_autocommit(False)
    try:
        assert committed_state() is None
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.django_db(transaction=True)
def test_another_connection_has_other_marks(bot: Bot) -> None:
    before = committed_state()
    connection.close()
    assert (committed_state() == before) is (connection.vendor == "postgresql")
