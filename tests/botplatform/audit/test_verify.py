"""Tampering shows: hundreds of edits behind the product's back, with the triggers set aside, are all found."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from botplatform.audit.canonical import GENESIS_HASH, HASHED_FIELDS, event_hash
from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.audit.trail import verify_trail
from tests.botplatform.audit.test_record import record_one
from tests.database import triggers_set_aside

EVENTS = 12
EDITS = {
    "id": "'00000000000000000000000000000001'",
    "at": "'2001-01-01 00:00:00+00:00'",
    "actor_kind": "'operating_system'",
    "actor_id": "'00000000000000000000000000000002'",
    "actor_name": "'mallory'",
    "action": "'user.signed_in'",
    "bot_id": "'00000000000000000000000000000003'",
    "object_type": "'user'",
    "object_id": "'7'",
    "object_name": "'another'",
    "facts": """'{"n": 99}'""",
    "previous_hash": f"'{'a' * 64}'",
    "hash": f"'{'b' * 64}'",
    "position": "position + 1000",
}


@pytest.fixture
def trail(db: None) -> Iterator[list[AuditEvent]]:
    """Some events, and no trigger."""
    with triggers_set_aside():
        yield [record_one(facts={"n": n}) for n in range(EVENTS)]


def sql(statement: str, *values: int | str | bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def broken_after_edit(position: int, field: str, expression: str, *values: int | str | bytes) -> int | None:
    return broken_after(f"UPDATE audit_auditevent SET {field} = {expression} WHERE position = {position}", *values)  # noqa: S608


def broken_after(statement: str, *values: int | str | bytes) -> int | None:
    """Run one statement, see that the trail is broken, take it back, and tell where the break was found."""
    point = transaction.savepoint()
    sql(statement, *values)
    check = verify_trail()
    transaction.savepoint_rollback(point)
    assert not check.ok, statement
    assert check.problem
    return check.first_broken_position


def test_unbroken_trail(trail: list[AuditEvent]) -> None:
    check = verify_trail()
    assert (check.ok, check.events, check.problem) == (True, EVENTS, None)
    assert (check.head_position, check.head_hash) == (EVENTS, trail[-1].hash)


def test_empty_trail_is_unbroken(db: None) -> None:
    assert verify_trail() == verify_trail(GENESIS_HASH)
    assert verify_trail().ok


@pytest.mark.parametrize("field", EDITS)
def test_edit_of_any_field_of_any_event_is_found(trail: list[AuditEvent], field: str) -> None:
    for event in trail:
        where = broken_after_edit(event.position, field, EDITS[field])
        # A position beyond the head is seen before the walk.
        assert where == (EVENTS + 1 if field == "position" else event.position)


def test_every_hashed_field_is_edited_above() -> None:
    assert set(EDITS) == {*HASHED_FIELDS, "hash"} == {field.attname for field in AuditEvent._meta.concrete_fields}


def test_deleted_event_is_found(trail: list[AuditEvent]) -> None:
    for event in trail:
        assert broken_after("DELETE FROM audit_auditevent WHERE position = %s", event.position) == event.position


def test_swapped_events_are_found(trail: list[AuditEvent]) -> None:
    for first in range(1, EVENTS):
        for second in range(first + 1, EVENTS + 1):
            point = transaction.savepoint()
            for old, new in ((first, 9999), (second, first), (9999, second)):
                sql("UPDATE audit_auditevent SET position = %s WHERE position = %s", new, old)
            assert verify_trail().first_broken_position == first
            transaction.savepoint_rollback(point)


def test_random_texts_and_numbers_are_found(trail: list[AuditEvent]) -> None:
    chance = random.Random(20261122)
    for _ in range(150):
        event = chance.choice(trail)
        facts = f'{{"n": {event.facts["n"]}, "x{chance.randrange(99)}": {chance.randrange(99)}}}'
        name = f"name {chance.randrange(10**6)}"
        field, value = chance.choice((("facts", facts), ("object_name", name), ("actor_name", name)))
        assert broken_after_edit(event.position, field, "%s", value) == event.position


@pytest.mark.parametrize(
    ("field", "value"),
    [("actor_id", "no uuid"), ("at", "no time"), ("position", "one"), ("object_name", b"\xff")],
)
def test_values_that_cannot_be_read_are_found(trail: list[AuditEvent], field: str, value: str | bytes) -> None:
    try:
        with transaction.atomic():
            broken_after_edit(5, field, "%s", value)
    except DatabaseError:
        assert connection.vendor == "postgresql"  # its column types refuse such values


def test_edit_with_recomputed_hashes_is_found_by_the_head(trail: list[AuditEvent]) -> None:
    rewrite(trail, start=6)
    check = verify_trail()
    assert not check.ok
    assert check.problem == "The head of the trail does not name the last event."


def test_rewriting_head_and_all_is_found_by_the_expected_head(trail: list[AuditEvent]) -> None:
    noted = [event.hash for event in trail]
    last = rewrite(trail, start=6)
    AuditHead.objects.update(hash=last)
    assert verify_trail().ok  # nothing inside the database can tell
    assert verify_trail(noted[4]).ok
    for hash_noted in noted[5:]:
        check = verify_trail(hash_noted)
        assert not check.ok
        assert "expected head" in str(check.problem)


def test_cut_tail_is_found(trail: list[AuditEvent]) -> None:
    for kept in range(EVENTS):
        point = transaction.savepoint()
        sql("DELETE FROM audit_auditevent WHERE position > %s", kept)
        assert verify_trail().first_broken_position == kept + 1
        AuditHead.objects.update(position=kept, hash=trail[kept - 1].hash if kept else GENESIS_HASH)
        assert verify_trail().ok
        assert not verify_trail(trail[-1].hash).ok
        transaction.savepoint_rollback(point)


def test_expected_head_may_be_an_earlier_one(trail: list[AuditEvent]) -> None:
    assert all(verify_trail(event.hash).ok for event in trail)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_audithead",
        "UPDATE audit_audithead SET position = position - 1",
        "UPDATE audit_audithead SET position = position + 1",
        "UPDATE audit_audithead SET hash = (SELECT previous_hash FROM audit_auditevent WHERE position = 12)",
    ],
)
def test_a_wrong_head_is_found(trail: list[AuditEvent], statement: str) -> None:
    broken_after(statement)


def test_forged_event_is_found(trail: list[AuditEvent]) -> None:
    columns = {name: getattr(trail[-1], name) for name in HASHED_FIELDS} | {
        "id": "00000000-0000-0000-0000-000000000009",
        "position": EVENTS + 1,
        "previous_hash": trail[-1].hash,
    }
    AuditEvent.objects.create(**columns, hash=event_hash(columns))
    check = verify_trail()
    assert check.first_broken_position == EVENTS + 1
    assert check.problem == "There are events beyond the head of the trail."


def rewrite(trail: list[AuditEvent], *, start: int) -> str:
    """Change the event at `start` and recompute the hashes of it and all after it; the last one is returned."""
    previous = trail[start - 2].hash
    for event in AuditEvent.objects.filter(position__gte=start).order_by("position"):
        event.previous_hash = previous
        event.actor_name = "mallory" if event.position == start else event.actor_name
        event.hash = event_hash({name: getattr(event, name) for name in HASHED_FIELDS})
        event.save()
        previous = event.hash
    return previous
