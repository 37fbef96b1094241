"""What tests have proven of a version: the comparison that counts, read in a constant number of queries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import prefetch_related_objects
from django.utils import timezone

from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken, Bot
from certificates.models import CertificateVersion, VersionStatus
from servicenodes.comparison import NOTHING_PROVEN, Difference, Outcome, Seen, Standing, compare, standing
from servicenodes.effective import nodes_presenting
from servicenodes.models import ConnectionTest, Proof, RunState, ServiceNode, Side
from servicenodes.services.basis import basis_of

FRESH = timedelta(hours=24)  # servers change too: an older comparison proves nothing any more
ORDER = list(Outcome)
Tests = dict[tuple[uuid.UUID, str], ConnectionTest]


@dataclass(frozen=True, slots=True)
class Row:
    """One node: its two tests, and what a promotion means for it. `hidden`: in a bot that the viewer may not open."""

    node: ServiceNode
    hidden: bool
    now: ConnectionTest | None
    next: ConnectionTest | None
    difference: Difference


@dataclass(frozen=True, slots=True)
class Evidence:
    """The last comparison of a version, if there is one, node by node, and what it comes to."""

    version: CertificateVersion
    comparison: Proof | None
    rows: list[Row]
    standing: Standing
    past: str  # why it does not count any more; empty while it does

    @property
    def green(self) -> bool:
        """A promotion is proven to break nothing."""
        return self.standing.green and not (self.rows and self.past)

    @property
    def live(self) -> bool:
        """Some of its tests are still to come."""
        if self.comparison is not None and self.comparison.started_at is None:
            return True
        return any(test is not None and test.state in WAITING for row in self.rows for test in (row.now, row.next))

    @property
    def breaking(self) -> list[Row]:
        """Those that accept the active version and would reject this one."""
        return [row for row in self.rows if row.difference.outcome is Outcome.BREAKS]

    @property
    def text(self) -> str:
        if self.comparison is None and self.rows:
            return "It was not compared with the active version on the service nodes."
        if self.past and self.rows:
            return f"{self.past} It said: {self.standing.text}"
        return self.standing.text


WAITING = {RunState.QUEUED, RunState.RUNNING}


def evidence_for(version: CertificateVersion, viewer: User | ApiToken | None = None) -> Evidence:
    """What is proven of a version on the nodes that present its certificate now. Without a viewer nothing is hidden."""
    comparisons = version.proofs.filter(kind=Proof.Kind.COMPARISON).select_related("now_version", "next_version")
    proof = comparisons.order_by("-requested_at").first()
    nodes = list(nodes_presenting(version.certificate).with_url())
    tests = _tests(proof)
    prefetch_related_objects(nodes, "trust_store", "sealed_headers")
    visible = None if viewer is None else set(Bot.objects.visible_to(viewer).values_list("pk", flat=True))
    rows = [_row(node, proof, tests, hidden=visible is not None and node.bot_id not in visible) for node in nodes]
    rows.sort(key=lambda row: (ORDER.index(row.difference.outcome), row.hidden, row.node.sort_key))
    return Evidence(version, proof, rows, standing(row.difference.outcome for row in rows), _past(proof))


def _past(proof: Proof | None) -> str:
    if proof is None:
        return ""
    if timezone.now() - proof.requested_at > FRESH:
        return f"The comparison is older than {FRESH.days * 24} hours."
    if _overtaken(proof):
        return "Another version became active since the comparison."
    if proof.next_version.alarms.filter(raised_at__gt=proof.requested_at).exists():
        return "The version was promoted since the comparison, and raised an alarm."
    return ""


def _overtaken(proof: Proof) -> bool:
    """What was “now” is not any more; unless the compared version itself is active, as after its promotion."""
    active = proof.certificate.versions.filter(status=VersionStatus.ACTIVE).values_list("pk", flat=True).first()
    return active not in {proof.now_version_id, proof.next_version_id}


def last_accepted_with(version: CertificateVersion, node: ServiceNode, before: datetime) -> ConnectionTest | None:
    """The last test of the node, as it is now, with the version before that time, if it was accepted.

    One of another URL, or with another trust store, tells nothing of it; nor does one that reached nobody.
    """
    tests = node.tests.filter(version=version, basis=basis_of(node, version), finished_at__lt=before)
    tests = tests.exclude(verdict__in=NOTHING_PROVEN).order_by("-finished_at")
    found = tests.defer("report", "steps").first()
    return found if found is not None and Seen(found.verdict).accepted else None


def _tests(proof: Proof | None) -> Tests:
    if proof is None:
        return {}
    return {(test.node_id, test.side): test for test in proof.tests.order_by("requested_at").defer("report", "steps")}


def _row(node: ServiceNode, proof: Proof | None, tests: Tests, *, hidden: bool) -> Row:
    now, following = tests.get((node.pk, Side.NOW)), tests.get((node.pk, Side.NEXT))
    return Row(node, hidden, now, following, _difference(node, proof, now, following))


def _difference(
    node: ServiceNode, proof: Proof | None, now: ConnectionTest | None, following: ConnectionTest | None
) -> Difference:
    if proof is None or following is None:
        return Difference(Outcome.OUTDATED, "Not tested with the next version.")
    presented = following.version_id is not None  # else the test was not made, whatever the settings
    if presented and following.basis and following.basis != basis_of(node, proof.next_version):
        return Difference(Outcome.OUTDATED, "Its settings changed since it was tested.")
    active = proof.now_version
    new_ca = active is not None and active.issuer != proof.next_version.issuer
    secret = bool(node.sealed_headers.all())
    before = None if active is None or now is None else _seen(now, secret_left_out=secret)
    return compare(before, _seen(following, secret_left_out=secret), new_ca=new_ca)


def _seen(test: ConnectionTest, *, secret_left_out: bool) -> Seen:
    return Seen(test.verdict, test.reason, test.state is RunState.INTERRUPTED, secret_left_out)
