"""The audit trail: `record` is its only writer, `verify_trail` tells whether anybody else wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog
from django.db import connection, transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.audit.canonical import GENESIS_HASH, HASHED_FIELDS, clean_facts, clean_text, event_hash
from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.bots.models import Bot

log = structlog.get_logger(__name__)
CHUNK = 1_000  # rows in memory while verifying


def record(
    *,
    actor: Actor,
    action: Action,
    object_type: str,
    object_id: object,
    object_name: str,
    bot: Bot | None,
    facts: Mapping[str, object] | None = None,
) -> AuditEvent:
    """Append one event to the trail, in the transaction of the change it tells of.

    `bot` is the scope of visibility (None: the platform). `facts` are plain JSON values, never secrets. It locks
    the trail's head until the transaction ends, so call it last.

    Raises TransactionManagementError outside a transaction, and TypeError for a fact that is not plain data.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("record() must run in the transaction of the change it records")
    event = AuditEvent(
        actor_kind=actor.kind.value,
        actor_id=actor.recorded_id,
        actor_name=clean_text(actor.name, 150),
        action=Action(action).value,
        bot_id=bot.pk if bot else None,
        object_type=clean_text(object_type, 40),
        object_id=clean_text(str(object_id), 40),
        object_name=clean_text(object_name, 300),
        facts=clean_facts(facts or {}),
    )
    _append(event)
    return event


def _append(event: AuditEvent) -> None:
    head = AuditHead.objects.select_for_update().get(pk=1)
    event.at = timezone.now()
    event.position = head.position + 1
    event.previous_hash = head.hash
    event.hash = event_hash({name: getattr(event, name) for name in HASHED_FIELDS})
    head.append(event)
    # A log kept elsewhere is a witness: its hash can be given to `verify_audit_trail --expect-head`.
    transaction.on_commit(
        lambda: log.info("audit", action=event.action, actor=event.actor_name, position=event.position, hash=event.hash)
    )


@dataclass(frozen=True, slots=True)
class TrailCheck:
    """The outcome of `verify_trail`. `problem` is one sentence, None when the trail is unbroken."""

    ok: bool
    events: int
    head_position: int
    head_hash: str
    first_broken_position: int | None = None
    problem: str | None = None


class _Broken(Exception):
    def __init__(self, position: int | None, problem: str) -> None:
        super().__init__(problem)
        self.position = position
        self.problem = problem


def verify_trail(expected_head: str | None = None) -> TrailCheck:
    """Recompute the whole chain, in bounded memory, while others may go on writing.

    `expected_head` is a hash noted earlier (lower-case hexadecimal): it must still be in the chain. Only it shows
    a tail that was cut off, or rewritten to the end, together with the head.
    """
    # One statement, so that an event written meanwhile does not look like one beyond the head.
    beyond = AuditEvent.objects.filter(position__gt=AuditHead.objects.values("position")[:1]).exists()
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        return TrailCheck(
            ok=False, events=0, head_position=0, head_hash="", problem="The head of the trail is missing."
        )
    walk = _Walk(expected_head)
    broken = None
    try:
        if beyond:
            raise _Broken(head.position + 1, "There are events beyond the head of the trail.")
        for columns in _events(head.position, walk):
            walk.step(columns)
        walk.finish(head)
    except _Broken as error:
        broken = error
    return TrailCheck(
        ok=broken is None,
        events=walk.events,
        head_position=head.position,
        head_hash=head.hash,
        first_broken_position=broken.position if broken else None,
        problem=broken.problem if broken else None,
    )


def _events(up_to: int, walk: _Walk) -> Iterator[dict[str, object]]:
    """The columns of the events in order; a row that cannot even be read is broken."""
    query = AuditEvent.objects.filter(position__lte=up_to).order_by("position").values(*HASHED_FIELDS, "hash")
    try:
        yield from query.iterator(chunk_size=CHUNK)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        position = walk.events + 1
        raise _Broken(position, f"Event {position} holds values that cannot be read.") from error


class _Walk:
    """Walks the chain event by event and raises `_Broken` at the first that does not fit."""

    def __init__(self, expected_head: str | None) -> None:
        self.events = 0
        self.hash = GENESIS_HASH
        self.expected_head = expected_head
        self.expected_seen = expected_head in {None, GENESIS_HASH}

    def step(self, columns: Mapping[str, object]) -> None:
        position = self.events + 1
        if columns["position"] != position:
            raise _Broken(position, f"Event {position} is missing.")
        if columns["previous_hash"] != self.hash:
            raise _Broken(position, f"Event {position} does not follow from the event before it.")
        if columns["hash"] != self._expected(columns, position):
            raise _Broken(position, f"Event {position} was altered.")
        self.events, self.hash = position, str(columns["hash"])
        self.expected_seen = self.expected_seen or self.hash == self.expected_head

    @staticmethod
    def _expected(columns: Mapping[str, object], position: int) -> str:
        try:
            return event_hash(columns)
        except (ValueError, TypeError) as error:
            raise _Broken(position, f"Event {position} holds values that cannot be read.") from error

    def finish(self, head: AuditHead) -> None:
        if self.events != head.position:
            position = self.events + 1
            raise _Broken(position, f"Event {position} is missing: the head of the trail is at {head.position}.")
        if self.hash != head.hash:
            raise _Broken(self.events or None, "The head of the trail does not name the last event.")
        if not self.expected_seen:
            raise _Broken(None, "The expected head is not in the trail: its end was cut off or rewritten.")
