"""The counters of calls: one row for each node, version and outcome."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import connection, models, transaction

from certificates.models import CertificateVersion


class CallCounterQuerySet(models.QuerySet["CallCounter"]):
    """Adds to the counters."""

    def add_up(self, rows: Iterable[CallCounter]) -> None:
        """Add these calls to what is stored, in one transaction and one order, so that writers never deadlock."""
        values = [
            tuple(
                field.get_db_prep_value(getattr(row, field.attname), connection)
                for field in CallCounter._meta.concrete_fields
            )
            for row in sorted(rows, key=lambda row: str(row.pk))
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(ADD_UP, values)


class CallCounter(models.Model):
    """How many calls of a node with one version of a certificate ended in one way, and when the last one did.

    `id` follows from the other three (`counter_id`), so that processes add to the same row without looking first. The
    database does not check the references: a call may end after its node was deleted, and must not lose the others.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    node = models.ForeignKey(
        "servicenodes.ServiceNode", on_delete=models.CASCADE, related_name="call_counters", db_constraint=False
    )
    version = models.ForeignKey(
        CertificateVersion, null=True, on_delete=models.CASCADE, related_name="call_counters", db_constraint=False
    )  # null: no certificate was effective
    outcome = models.CharField(max_length=30)  # answered, refused, or the verdict of a call that failed
    calls = models.PositiveBigIntegerField()
    last_used_at = models.DateTimeField()

    objects = CallCounterQuerySet.as_manager()

    class Meta:
        ordering = ("node", "version", "outcome")

    def __str__(self) -> str:
        return f"{self.calls} × {self.outcome}"


ADD_UP = """
INSERT INTO servicenodes_callcounter AS known (id, node_id, version_id, outcome, calls, last_used_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET calls = known.calls + excluded.calls, last_used_at = CASE
    WHEN excluded.last_used_at > known.last_used_at THEN excluded.last_used_at ELSE known.last_used_at END
"""
COUNTERS = uuid.UUID("5b1c4c1e-6a53-4b43-9d0e-1f0d6d5c0a11")


def counter_id(node: uuid.UUID, version: uuid.UUID | None, outcome: str) -> uuid.UUID:
    """The primary key of a counter."""
    return uuid.uuid5(COUNTERS, f"{node} {version} {outcome}")
