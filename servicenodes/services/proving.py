"""Proving a version on every node that presents its certificate: beside the active one, and again after a promotion.

A proof is one act: its tests run one by one through the queue, behind those that a person waits for, and do not count
towards anybody's limit of tests. Who may promote may prove, also on nodes in bots that they may not open.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, VersionStatus
from certificates.services import defaults
from servicenodes.effective import nodes_presenting
from servicenodes.errors import TooManyTests
from servicenodes.models import ConnectionTest, Proof, ServiceNode, Side
from servicenodes.services.presenting import find_version
from servicenodes.services.proofs import evidence_for
from servicenodes.tasks import run_connection_test
from servicenodes.tls.target import parse_target

RETEST_AFTER = timedelta(minutes=1)
RETRIED_FOR = timedelta(minutes=15)  # so long a re-test that its worker left is taken up again
BEHIND = -10  # the priority of tests that nobody waits for
WINDOW = timedelta(minutes=1)
COMPARISONS = 6  # of one certificate in a window


def authorize_proof(actor: Actor, bot: Bot | None) -> None:
    """Let the actor prove versions of a bot's certificate, or of the platform's, or raise `NotAllowed`."""
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=bot)
    authorize(actor, Permission.NODE_TEST, bot=bot)


@transaction.atomic
def compare_versions(*, actor: Actor, certificate: ClientCertificate, number: int | None = None) -> Proof:
    """Queue a test of every node that presents the certificate, with the active version and with another one.

    The other one is the version `number`, else the staged one. Raises `NotAllowed`, `NotFound`, `Conflict` (it cannot
    be presented, or is being compared), `TooManyTests`.
    """
    authorize_proof(actor, certificate.bot)
    locked = defaults.lock_certificate(certificate)
    version = find_version(locked, VersionStatus.STAGED if number is None else number)
    assert version is not None  # noqa: S101 — asked for by name
    version.certificate = locked
    _refuse_unfit(version)
    _check_pace(version)
    proof = _new(actor, version, Proof.Kind.COMPARISON, now=locked.active_version)
    tests = _queue(proof, (Side.NOW, Side.NEXT) if proof.now_version else (Side.NEXT,))
    active = proof.now_version.number if proof.now_version else None
    facts: dict[str, object] = {"version": version.number, "active": active, "tests": tests}
    defaults.record(actor, Action.VERSION_COMPARED, locked, facts)
    return proof


def _refuse_unfit(version: CertificateVersion) -> None:
    name = f"Version {version.number} of “{version.certificate.path}”"
    if version.status == VersionStatus.ACTIVE:
        raise Conflict(f"{name} is active already: test the service nodes as they are.", code="wrong_status")
    if not SealedKey.objects.filter(version=version).exists() or version.status == VersionStatus.DRAFT:
        raise Conflict(f"{name} is {version.status} and cannot be presented.", code="certificate_unusable")


def _check_pace(version: CertificateVersion) -> None:
    if evidence_for(version).live:
        raise Conflict(f"Version {version.number} is being compared already. Wait for the tests.", code="running")
    recent = Proof.objects.filter(certificate=version.certificate, kind=Proof.Kind.COMPARISON)
    if recent.filter(requested_at__gt=timezone.now() - WINDOW).count() >= COMPARISONS:
        text = f"“{version.certificate.path}” was compared {COMPARISONS} times within a minute. Try again in a minute."
        raise TooManyTests(text, retry_after_s=int(WINDOW.total_seconds()))


def _new(actor: Actor, version: CertificateVersion, kind: Proof.Kind, *, now: CertificateVersion | None) -> Proof:
    retest, moment = kind is Proof.Kind.RETEST, timezone.now()
    return Proof.objects.create(
        kind=kind,
        certificate=version.certificate,
        next_version=version,
        now_version=now,
        requested_at=moment,
        requested_by=actor.name[:150],
        user=actor.user,
        due_at=moment + RETEST_AFTER if retest else moment,
        started_at=None if retest else moment,
    )


def _queue(proof: Proof, sides: Iterable[Side]) -> int:
    """Queue a test of each side for each node; how many."""
    tests = [_test(proof, node, side) for node in nodes_presenting(proof.certificate).with_url() for side in sides]
    ConnectionTest.objects.bulk_create(tests)
    for test in tests:
        _enqueue(test.pk)
    return len(tests)


def _test(proof: Proof, node: ServiceNode, side: Side) -> ConnectionTest:
    target = parse_target(node.url).authority
    asked = {"requested_by": proof.requested_by, "user": proof.user, "target": target}
    return ConnectionTest(node=node, proof=proof, side=side, **asked)


def _enqueue(test: uuid.UUID) -> None:
    run_connection_test.using(priority=BEHIND).enqueue(str(test))


# --- Around a promotion -----------------------------------------------------------------------------------------------


def guard_promotion(*, version: CertificateVersion, insisted: bool, **_: object) -> str:
    """What is proven of a version that is about to be promoted, in one sentence.

    Raises `Conflict` when it was compared, the comparison is not green, and nobody insists.
    """
    evidence = evidence_for(version)
    if evidence.comparison is not None and not evidence.green and not insisted:
        name = f"Version {version.number} of “{version.certificate.path}”"
        why = "would break calls" if evidence.breaking else "is not proven on every service node"
        raise Conflict(f"{name} {why}. {evidence.text}", code="not_proven")
    if evidence.comparison is None and evidence.rows:
        return f"Not proven: version {version.number} was tested on none of the service nodes beforehand."
    if evidence.green:
        return evidence.text
    return f"{'Against the tests' if evidence.breaking else 'Not proven'}: {evidence.text}"


def plan_retest(
    *, actor: Actor, version: CertificateVersion, before: int | None, undone: bool = False, **_: object
) -> None:
    """Another version is active: its nodes are tested again after a minute. The very first one surprises nobody.

    After a rollback nothing is compared with what was before: an alarm would ask to go back further.
    """
    if before is not None:
        earlier = None if undone else version.certificate.versions.filter(number=before).first()
        _new(actor, version, Proof.Kind.RETEST, now=earlier)


def start_due_retests() -> int:
    """Queue the re-tests that are due, and once more the tests that a worker left unfinished; how many were queued."""
    due = Proof.objects.filter(started_at__isnull=True, due_at__lte=timezone.now())
    queued = sum(_start(key) for key in list(due.values_list("pk", flat=True)))
    return queued + _take_up_again()


@transaction.atomic
def _start(key: uuid.UUID) -> int:
    rows = Proof.objects.select_for_update(of=("self",), no_key=True).select_related("certificate__bot", "next_version")
    proof = rows.filter(pk=key, started_at__isnull=True).first()
    if proof is None:  # another worker was faster
        return 0
    proof.started_at = timezone.now()
    proof.save(update_fields=["started_at"])
    superseded = proof.next_version.status != VersionStatus.ACTIVE
    return 0 if superseded else _queue(proof, (Side.AFTER,))


@transaction.atomic
def _take_up_again() -> int:
    now = timezone.now()
    left = ConnectionTest.objects.filter(
        side=Side.AFTER, finished_at__isnull=True, lease_until__lt=now, requested_at__gt=now - RETRIED_FOR
    )
    keys = list(left.values_list("pk", flat=True))
    for key in keys:
        if left.filter(pk=key).update(started_at=None, lease_until=None):
            _enqueue(key)
    return len(keys)
