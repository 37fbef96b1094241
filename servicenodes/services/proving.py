"""Proving a version on every node that presents its certificate: beside the active one, and again after a promotion.

A proof is one act: its tests run one by one through the queue, behind those that a person waits for, and do not count
towards anybody's limit of tests. Who may promote may prove, also on nodes in bots that they may not open.
"""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
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
from servicenodes.models import ConnectionTest, Proof, ServiceNode, ServiceNodeQuerySet, Side
from servicenodes.services.presenting import find_version
from servicenodes.services.proofs import evidence_for
from servicenodes.services.queueing import queue_tests
from servicenodes.services.recording import asked_by
from servicenodes.tls.target import parse_target

RETEST_AFTER = timedelta(minutes=1)
WINDOW = timedelta(minutes=1)
AT_ONCE = 500  # nodes: the write lock is held for a moment only
PAUSE_S = 0.1  # then; who waits for SQLite’s lock looks again so often
COMPARISONS = 6  # of one certificate in a window


def authorize_proof(actor: Actor, bot: Bot | None) -> None:
    """Let the actor prove versions of a bot's certificate, or of the platform's, or raise `NotAllowed`."""
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=bot)
    authorize(actor, Permission.NODE_TEST, bot=bot)


def compare_versions(*, actor: Actor, certificate: ClientCertificate, number: int | None = None) -> Proof:
    """Queue a test of every node that presents the certificate, with the active version and with another one.

    The other one is the version `number`, else the staged one. Raises `NotAllowed`, `NotFound`, `Conflict` (it cannot
    be presented, or is being compared), `TooManyTests`.
    """
    proof = _new_comparison(actor, certificate, number)
    _queue(proof.pk)
    return proof


@transaction.atomic
def _new_comparison(actor: Actor, certificate: ClientCertificate, number: int | None) -> Proof:
    authorize_proof(actor, certificate.bot)
    locked = defaults.lock_certificate(certificate)
    version = find_version(locked, VersionStatus.STAGED if number is None else number)
    assert version is not None  # noqa: S101 — asked for by name
    version.certificate = locked
    _refuse_unfit(version)
    _check_pace(version)
    proof = _new(actor, version, Proof.Kind.COMPARISON, now=locked.active_version)
    tests = _nodes_left(proof).count() * len(_sides(proof))
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
    if _is_live(version.proofs.filter(kind=Proof.Kind.COMPARISON).order_by("-requested_at").first()):
        raise Conflict(f"Version {version.number} is being compared already. Wait for the tests.", code="running")
    recent = Proof.objects.filter(certificate=version.certificate, kind=Proof.Kind.COMPARISON)
    if recent.filter(requested_at__gt=timezone.now() - WINDOW).count() >= COMPARISONS:
        text = f"“{version.certificate.path}” was compared {COMPARISONS} times within a minute. Try again in a minute."
        raise TooManyTests(text, retry_after_s=int(WINDOW.total_seconds()))


def _is_live(proof: Proof | None) -> bool:
    if proof is None:
        return False
    return proof.started_at is None or proof.tests.queued().exists() or proof.tests.begun().exists()


def _new(actor: Actor, version: CertificateVersion, kind: Proof.Kind, *, now: CertificateVersion | None) -> Proof:
    moment = timezone.now()
    return Proof.objects.create(
        kind=kind,
        certificate=version.certificate,
        next_version=version,
        now_version=now,
        requested_at=moment,
        due_at=moment + RETEST_AFTER if kind is Proof.Kind.RETEST else moment,
        **asked_by(actor),
    )


def start_due_proofs() -> int:
    """Queue the tests of re-tests that are due, and of comparisons whose process died at it; how many. A duty."""
    due = Proof.objects.filter(started_at__isnull=True, due_at__lte=timezone.now())
    return sum(_queue(key) for key in list(due.values_list("pk", flat=True)))


def _queue(key: uuid.UUID) -> int:
    """Queue the tests of a proof, of some nodes at a time: others can write in between. How many."""
    queued = 0
    while more := _queue_some(key):
        queued += more
        time.sleep(PAUSE_S if more >= AT_ONCE else 0)
    return queued


@transaction.atomic
def _queue_some(key: uuid.UUID) -> int:
    """Queue the tests of the next nodes, how many; or find that all are queued."""
    related = ("user", "certificate__bot", "now_version", "next_version")
    rows = Proof.objects.select_for_update(of=("self",), no_key=True).select_related(*related)
    proof = rows.filter(pk=key, started_at__isnull=True).first()
    if proof is None:
        return 0
    nodes = [] if _superseded(proof) else list(_nodes_left(proof)[:AT_ONCE])
    if len(nodes) < AT_ONCE:
        proof.started_at = timezone.now()
        proof.save(update_fields=["started_at"])
    sides, asked = _sides(proof), _asked(proof)
    tests = [_test(proof, node, side, asked) for node in nodes for side in sides]
    ConnectionTest.objects.bulk_create(tests)
    queue_tests(tests)
    return len(tests)


def _superseded(proof: Proof) -> bool:
    return proof.kind == Proof.Kind.RETEST and proof.next_version.status != VersionStatus.ACTIVE


def _nodes_left(proof: Proof) -> ServiceNodeQuerySet:
    """The nodes whose tests are not queued yet."""
    queued = ConnectionTest.objects.filter(proof=proof, node=OuterRef("pk"))
    return nodes_presenting(proof.certificate).with_url().exclude(Exists(queued))


def _sides(proof: Proof) -> tuple[Side, ...]:
    if proof.kind == Proof.Kind.RETEST:
        return (Side.AFTER,)
    return (Side.NOW, Side.NEXT) if proof.now_version else (Side.NEXT,)


def _asked(proof: Proof) -> dict[str, Any]:
    """For whom its tests run. The platform tests again, whatever the one who promoted may do by then."""
    if proof.kind == Proof.Kind.RETEST:
        return asked_by(Actor.platform())
    return {"requested_by": proof.requested_by, "requested_as": proof.requested_as, "user": proof.user}


def _test(proof: Proof, node: ServiceNode, side: Side, asked: dict[str, Any]) -> ConnectionTest:
    return ConnectionTest(node=node, proof=proof, side=side, target=parse_target(node.url).authority, **asked)


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
