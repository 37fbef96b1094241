"""The database itself refuses to change the trail."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.audit.trail import verify_trail
from tests.botplatform.audit.test_record import record_one

REFUSED = "the audit trail is append-only"
STATEMENTS = [
    "UPDATE audit_auditevent SET actor_name = 'somebody else'",
    "UPDATE audit_auditevent SET position = position + 1000",
    "UPDATE audit_auditevent SET hash = hash",
    "DELETE FROM audit_auditevent",
    "DELETE FROM audit_auditevent WHERE position = 2",
    "DELETE FROM audit_audithead",
    "UPDATE audit_audithead SET position = position - 1",
    "UPDATE audit_audithead SET position = position + 2",
    "UPDATE audit_audithead SET hash = 'another'",
]
SQLITE = [
    "INSERT OR REPLACE INTO audit_audithead (id, position, hash) VALUES (1, 1, 'x')",
    "REPLACE INTO audit_auditevent SELECT * FROM audit_auditevent",
]
POSTGRESQL = ["TRUNCATE audit_auditevent", "TRUNCATE audit_audithead", "TRUNCATE audit_auditevent CASCADE"]


def refuse(statement: str) -> None:
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_change_is_refused(db: None, statement: str) -> None:
    for _ in range(3):
        record_one()
    refuse(statement)
    assert verify_trail().events == 3


def test_what_only_one_engine_knows_is_refused(db: None) -> None:
    record_one()
    for statement in SQLITE if connection.vendor == "sqlite" else POSTGRESQL:
        refuse(statement)
    assert verify_trail().events == 1


def test_the_orm_is_refused_too(db: None) -> None:
    event = record_one()
    event.actor_name = "somebody else"
    for act in (event.save, event.delete, AuditEvent.objects.all().delete, AuditHead.objects.all().delete):
        with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
            act()
    assert verify_trail().ok


@pytest.mark.django_db(transaction=True)
def test_migration_can_be_taken_back_and_applied_again() -> None:
    call_command("migrate", "audit", "0001", verbosity=0)
    call_command("migrate", "audit", verbosity=0)
    with transaction.atomic():
        record_one()
    refuse("DELETE FROM audit_auditevent")
