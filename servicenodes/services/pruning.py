"""Old reports of tests are removed, except those that something still goes by. A duty."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from botplatform.keeping import kept_since
from botplatform.notifications.services.pruning import prune
from servicenodes.models import ConnectionTest, Proof

NEWEST = 15  # of each node: as many as its page shows


def prune_tests() -> int:
    """Remove tests older than KEEP_DAYS, except what `_removable` tells. Returns how many."""
    return prune(_removable(), by="requested_at", what="connection tests")


def _removable() -> QuerySet[ConnectionTest]:
    """Not the newest of a node, not its newest with any version, which later tests are compared with, not the one that
    its verdict is from, and none of a comparison that a promotion may rest on."""
    of_node = ConnectionTest.objects.filter(node=OuterRef("node")).order_by("-requested_at")
    newer = of_node.filter(
        version=OuterRef("version"), finished_at__isnull=False, requested_at__gt=OuterRef("requested_at")
    )
    old = ConnectionTest.objects.filter(requested_at__lt=kept_since(timezone.now()))
    return old.filter(
        Q(version__isnull=True) | Exists(newer),
        Q(proof__isnull=True) | Q(proof__kind=Proof.Kind.RETEST) | Q(proof__in=_replaced().values("pk")),
        ~Q(finished_at=F("node__last_tested_at")),
        requested_at__lt=Subquery(of_node.values("requested_at")[NEWEST - 1 : NEWEST]),
    )


def _replaced() -> QuerySet[Proof]:
    """Comparisons that a later one of the same version replaced before it was promoted.

    A promotion asks for a re-test. With nothing active before it does not, so those comparisons are left out.
    """
    same = Proof.objects.filter(next_version=OuterRef("next_version"))
    later = same.filter(kind=Proof.Kind.COMPARISON, requested_at__gt=OuterRef("requested_at"))
    promoted = same.filter(
        kind=Proof.Kind.RETEST, requested_at__gte=OuterRef("requested_at"), requested_at__lt=OuterRef("replaced_at")
    )
    comparisons = Proof.objects.filter(kind=Proof.Kind.COMPARISON, now_version__isnull=False)
    return comparisons.annotate(replaced_at=Subquery(later.order_by("requested_at").values("requested_at")[:1])).filter(
        ~Exists(promoted), replaced_at__isnull=False
    )
