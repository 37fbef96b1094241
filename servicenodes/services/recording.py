"""The life of a connection test's row: queued, claimed by one worker, steps as they happen, finished.

A worker holds a lease and renews it with every step. A lease that runs out tells that the worker died.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.audit.actions import Action
from certificates.models import CertificateVersion
from servicenodes.models import ConnectionTest, ServiceNode, Side
from servicenodes.services import alarms, limits, nodes, server_certificates
from servicenodes.services.requests import callable_url
from servicenodes.tls.observation import Step
from servicenodes.tls.report import step_as_json
from servicenodes.tls.target import parse_target

PROOF = ("proof__certificate__bot", "proof__now_version", "proof__next_version")
LEASE_SPARE = timedelta(seconds=30)  # beyond the timeout of the whole test


def store_request(
    *, actor: Actor, node: ServiceNode, started_at: datetime | None = None, limited: bool = True
) -> ConnectionTest:
    """A new row within the limits, and its audit row. Call it inside a transaction. Raises `TooManyTests`."""
    now = timezone.now()
    target = parse_target(callable_url(node)).authority
    if limited:
        limits.check_limits(actor, target, now)
    test = ConnectionTest.objects.create(
        node=node,
        requested_at=now,
        **asked_by(actor),
        target=target,
        started_at=started_at,
        lease_until=started_at + lease(node) if started_at else None,
    )
    nodes.record(actor, Action.CONNECTION_TEST_REQUESTED, node, {"test": str(test.pk), "target": target})
    return test


def claim(test_id: uuid.UUID) -> ConnectionTest | None:
    """The queued test, now ours; None when it is not queued any more."""
    now = timezone.now()
    queued = ConnectionTest.objects.queued().filter(pk=test_id)
    test = queued.select_related("node__bot", "user", *PROOF).first()
    if test is None:
        return None
    test.started_at, test.lease_until = now, now + lease(test.node)
    ours = queued.update(started_at=test.started_at, lease_until=test.lease_until)
    return test if ours else None


def lease(node: ServiceNode) -> timedelta:
    """How long a worker may be silent."""
    return timedelta(seconds=node.timeout_s) + LEASE_SPARE


def asked_by(actor: Actor) -> dict[str, Any]:
    """Who asks, as a test and a proof store it."""
    return {"requested_by": actor.name[:150], "requested_as": actor.kind.value, "user": actor.user}


def requester(test: ConnectionTest) -> Actor:
    """Who asked for the test, as far as it is still known. Somebody whose account is gone may do nothing any more."""
    if test.user is not None:
        return Actor.of(test.user)
    return Actor(ActorKind(test.requested_as), test.requested_by)


class StepRecorder:
    """Stores each step when it happens, and hands it on. A step seen again replaces the earlier one."""

    def __init__(self, test: ConnectionTest, on_step: Callable[[Step], None] | None = None) -> None:
        self._test = test
        self._on_step = on_step

    def __call__(self, step: Step) -> None:
        document = step_as_json(step)
        steps = self._test.steps
        place = next((index for index, known in enumerate(steps) if known["name"] == document["name"]), len(steps))
        steps[place : place + 1] = [document]
        self._test.lease_until = timezone.now() + lease(self._test.node)
        store(self._test, "steps", "lease_until")
        if self._on_step is not None:
            self._on_step(step)


@transaction.atomic
def finish(
    *,
    actor: Actor,
    test: ConnectionTest,
    report: dict[str, Any],
    version: CertificateVersion | None,
    basis: str,
    as_it_is: bool,
) -> None:
    """Store the report, and put the verdict on record.

    `as_it_is`: the node was tested as it would call; a test with another version, say, tells nothing of its calls.
    """
    test.report, test.steps = report, report["steps"]
    test.verdict, test.reason, test.summary = report["verdict"], (report["reason"] or "")[:60], report["summary"]
    test.version, test.basis = version, basis
    test.presented = report["client_certificate"]["sent"] == "certificate"
    test.finished_at, test.lease_until = timezone.now(), None
    if as_it_is:
        _note_on_node(test)
    told = ("report", "steps", "verdict", "reason", "summary", "version", "presented", "basis")
    store(test, *told, "finished_at", "lease_until")
    facts: dict[str, object] = {
        "test": str(test.pk),
        "target": test.target,
        "verdict": test.verdict,
        "reason": test.reason,
        "certificate": report["client_certificate"]["certificate"],
        "version": report["client_certificate"]["version"],
    }
    if test.side == Side.AFTER and test.proof is not None:
        facts["promoted_by"] = test.proof.requested_by
    nodes.record(actor, Action.CONNECTION_TESTED, test.node, facts)
    if as_it_is:
        alarms.consider(actor=actor, test=test)


def _note_on_node(test: ConnectionTest) -> None:
    """Repeat the outcome on the node, and note its server's certificate.

    First of the writes: a deletion of the node locks in the same order.
    """
    outcome = {"last_verdict": test.verdict, "last_summary": test.summary, "last_tested_at": test.finished_at}
    if ServiceNode.objects.filter(pk=test.node_id).update(**outcome):  # it may have been deleted while the test ran
        server_certificates.note(test)


def store(test: ConnectionTest, *fields: str) -> None:
    """Write these fields, if the row is still there: its node may have been deleted while the test ran."""
    ConnectionTest.objects.filter(pk=test.pk).update(**{field: getattr(test, field) for field in fields})


def interrupt(test: ConnectionTest) -> None:
    """Give the lease back without a result: the page says at once that the test was interrupted."""
    ConnectionTest.objects.filter(pk=test.pk, finished_at__isnull=True).update(lease_until=timezone.now())
