"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Q, QuerySet

from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import ROLE_PERMISSIONS, Permission
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from servicenodes.expiries import MONTH, Expiries, expiries, soon_gone
from servicenodes.models import ServiceNode, ServiceNodeQuerySet

ACCEPTED = "accepted"
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Fleet:
    """Lists hold the first `SHOWN`; `numbers` count all that the user may see.

    `mine`: the lists of nodes hold those that the user may change and test. A user who may only look sees all in them.
    """

    expiring: list[CertificateVersion]
    failing: list[ServiceNode]
    untested: list[ServiceNode]
    unprotected: list[ServiceNode]
    numbers: dict[str, int]
    mine: bool
    expiries: Expiries

    @property
    def needs_nobody(self) -> bool:
        return not (self.expiring or self.failing or self.untested or self.unprotected)


def survey(user: User, now: datetime) -> Fleet:
    """The fleet as far as `user` may see it."""
    nodes = ServiceNode.objects.visible_to(user)
    acting = _in_hand(user)
    mine = acting is None or acting.exists()
    listed = nodes if acting is None or not mine else nodes.filter(bot__in=acting)
    active = _versions(user).filter(status=VersionStatus.ACTIVE)
    expiring = active.filter(not_after__lte=now + EXPIRES_SOON)
    failing = listed.exclude(last_verdict__in=("", ACCEPTED))
    bare = without_certificate(nodes)
    counts, leafs = _count_versions(active, now)
    others = {"bots": Bot.objects.visible_to(user).count(), "unprotected": bare.count()}
    return Fleet(
        expiring=list(expiring.order_by("not_after").select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=_first(failing.order_by("-last_tested_at")),
        untested=_first(listed.filter(last_verdict="").order_by("-created_at")),
        unprotected=_first(without_certificate(listed).order_by("-created_at")),
        mine=mine,
        expiries=expiries(user, now, leafs),
        numbers=_count_nodes(nodes) | counts | others,
    )


def _in_hand(user: User) -> QuerySet[Membership] | None:
    """The bots whose nodes the user may change and test, by their keys; None: all."""
    if user.is_administrator:
        return None
    roles = [role for role, granted in ROLE_PERMISSIONS.items() if Permission.NODE_TEST in granted]
    return Membership.objects.filter(user=user, role__in=roles).values("bot")  # type: ignore[return-value]


def _versions(user: User) -> QuerySet[CertificateVersion]:
    """The versions the user may know of."""
    versions = CertificateVersion.objects.all()
    if user.is_administrator or user.is_auditor:
        return versions  # as in `visible_filter`: no condition where every row meets it
    bots = Bot.objects.visible_to(user).values("pk")
    return versions.filter(Q(certificate__bot__isnull=True) | Q(certificate__bot__in=bots))


def _first(nodes: ServiceNodeQuerySet) -> list[ServiceNode]:
    """The first nodes in their order. Chosen by key: all columns of all nodes would be sorted otherwise."""
    keys = list(nodes.values_list("pk", flat=True)[:SHOWN])
    found = ServiceNode.objects.select_related("bot").in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _count_versions(active: QuerySet[CertificateVersion], now: datetime) -> tuple[dict[str, int], dict[str, int]]:
    """How many are active, how many of them expire soon; and how many expire in each month of the next 400 days.

    One query that an index answers alone.
    """
    coming = Count("not_after", filter=soon_gone(now))
    soon = Count("not_after", filter=Q(not_after__lte=now + EXPIRES_SOON))
    found = list(active.order_by().values(month=MONTH).annotate(n=Count("*"), coming=coming, soon=soon))
    counts = {"certificates": "n", "expiring": "soon"}
    totals = {name: sum(row[key] for row in found) for name, key in counts.items()}
    return totals, {row["month"]: row["coming"] for row in found}


def without_certificate(nodes: ServiceNodeQuerySet) -> ServiceNodeQuerySet:
    """Nodes with nothing attached and no default to fall back to."""
    defaults = ClientCertificate.objects.filter(is_default=True)
    served = defaults.filter(bot__isnull=False).values("bot")
    return nodes.filter(~Exists(defaults.filter(bot__isnull=True)), certificate__isnull=True).exclude(bot__in=served)


def _count_nodes(nodes: ServiceNodeQuerySet) -> dict[str, int]:
    counts = nodes.aggregate(
        nodes=Count("*"),
        accepted=Count("last_verdict", filter=Q(last_verdict=ACCEPTED)),
        untested=Count("last_verdict", filter=Q(last_verdict="")),
    )
    return counts | {"failing": counts["nodes"] - counts["accepted"] - counts["untested"]}
