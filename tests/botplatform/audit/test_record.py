"""What `record` writes, and what it refuses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.actions import Action
from botplatform.audit.canonical import GENESIS_HASH
from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.audit.trail import record, verify_trail
from botplatform.bots.models import Bot
from certificates.pki.secret import Secret


def record_one(**changes: object) -> AuditEvent:
    values: dict[str, object] = {
        "actor": Actor.platform(),
        "action": Action.BOT_CREATED,
        "object_type": "bot",
        "object_id": uuid.uuid4(),
        "object_name": "acme",
        "bot": None,
        **changes,
    }
    return record(**values)  # type: ignore[arg-type]


def test_first_event_follows_from_the_genesis_hash(db: None) -> None:
    event = record_one()
    assert (event.position, event.previous_hash) == (1, GENESIS_HASH)


def test_each_event_follows_from_the_one_before(db: None) -> None:
    first, second = record_one(), record_one()
    assert (second.position, second.previous_hash) == (2, first.hash)
    head = AuditHead.objects.get()
    assert (head.position, head.hash) == (2, second.hash)


def test_event_copies_names_and_ids(bot: Bot, developer: User) -> None:
    event = record_one(actor=Actor.of(developer), bot=bot, object_id=bot.pk, facts={"slug": "acme"})
    event.refresh_from_db()
    assert (event.actor_kind, event.actor_id, event.actor_name) == ("user", developer.pk, "developer")
    assert (event.bot_id, event.object_id, event.facts) == (bot.pk, str(bot.pk), {"slug": "acme"})


def test_a_rolled_back_change_leaves_no_event(db: None) -> None:
    with transaction.atomic():
        record_one()
        transaction.set_rollback(True)
    assert not AuditEvent.objects.exists()
    assert verify_trail().ok


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_refuses() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        record_one()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"key": b"bytes"},
        {"key": bytearray(b"bytes")},
        {"key": memoryview(b"bytes")},
        {"key": Secret(b"secret")},
        {"list": [Secret(b"secret")]},
        {"map": {"deep": Secret(b"secret")}},
        {"passphrase": "swordfish"},
        {"map": {"Password": "swordfish"}},
        {"pem": "-----BEGIN PRIVATE KEY-----\nMII"},
        {"object": object()},
        {1: "name"},
        {"number": float("nan")},
        {"number": float("inf")},
        {"number": 1e300},
    ],
)
def test_secrets_and_odd_values_are_no_facts(db: None, facts: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        record_one(facts=facts)
    assert not AuditEvent.objects.exists()


def test_facts_read_back_as_they_were_hashed(db: None) -> None:
    record_one(
        facts={
            "text": "Zürich 🂡 \0 \ud800",
            "numbers": [0, -1, 2**62, 0.1, -0.0, 1.0, 1e-7, 123456.789],
            "flags": (True, False, None),
            "names": {"b", "a"},
            "when": datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
            "id": uuid.UUID(int=7),
            "map": {"z": {}, "a": []},
        }
    )
    assert verify_trail().ok
    facts = AuditEvent.objects.get().facts
    assert facts["text"] == "Zürich 🂡 \ufffd \ufffd\ufffd\ufffd"
    assert facts["names"] == ["a", "b"]
    assert facts["when"] == "2026-11-22T09:30:00.000000Z"


def test_long_and_odd_names_are_cut_not_refused(db: None) -> None:
    event = record_one(object_name="x" * 1000, facts={"text": "y" * 5000})
    event.refresh_from_db()
    assert (len(event.object_name), len(event.facts["text"])) == (300, 2000)
    assert verify_trail().ok


def test_an_action_outside_the_closed_list_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="is not a valid Action"):
        record_one(action="bot.painted")
