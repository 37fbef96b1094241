"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, Exists, IntegerField, Q, QuerySet, Value, When

from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import ROLE_PERMISSIONS, Permission
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from servicenodes.expiries import MONTH, Expiries, expiries, soon_gone
from servicenodes.models import ServiceNode, ServiceNodeQuerySet
from servicenodes.tls.judgement import Verdict

ACCEPTED = "accepted"
# Failing as well, but calls may come through: after the others.
MILD = (Verdict.ACCEPTED_NOT_ENFORCED, Verdict.ACCEPTED_ANY_CERTIFICATE, Verdict.NOT_REQUESTED, Verdict.INCONCLUSIVE)
SHOWN = 8


GRAVITY = Case(When(last_verdict__in=MILD, then=Value(1)), default=Value(0), output_field=IntegerField())


@dataclass(frozen=True, slots=True)
class Fleet:
    """Lists hold the first `SHOWN`; `numbers` count all that the user may see.

    `mine`: the lists of nodes hold those that the user may change and test. A user who may only look sees all in them.
    """

    expiring: list[CertificateVersion]
    failing: list[ServiceNode]
    needs_url: list[ServiceNode]  # these are in none of the next two
    unprotected: list[ServiceNode]
    untested: list[ServiceNode]
    numbers: dict[str, int]
    mine: bool
    expiries: Expiries

    @property
    def needs_nobody(self) -> bool:
        return not (self.expiring or self.failing or self.needs_url or self.unprotected or self.untested)


def survey(user: User, now: datetime) -> Fleet:
    """The fleet as far as `user` may see it."""
    nodes = ServiceNode.objects.visible_to(user)
    acting = _in_hand(user)
    mine = acting is None or acting.exists()
    listed = nodes if acting is None or not mine else nodes.filter(bot__in=acting)
    active = _versions(user).filter(status=VersionStatus.ACTIVE)
    expiring = active.filter(not_after__lte=now + EXPIRES_SOON)
    failing = listed.exclude(last_verdict__in=("", ACCEPTED))
    ready = listed.with_url()
    counts, leafs = _count_versions(active, now)
    numbers = _count_nodes(nodes) | counts | {"bots": Bot.objects.visible_to(user).count()}
    return Fleet(
        expiring=list(expiring.order_by("not_after").select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=_first(numbers["failing"], failing.order_by(GRAVITY, "-last_tested_at")),
        needs_url=_first(numbers["needs_url"], listed.filter(url="").order_by("created_at")),
        unprotected=_first(numbers["unprotected"], without_certificate(ready).order_by("created_at")),
        untested=_first(numbers["untested"], ready.filter(last_verdict="").order_by("created_at")),
        mine=mine,
        expiries=expiries(user, now, leafs),
        numbers=numbers,
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


def _first(count: int, nodes: ServiceNodeQuerySet) -> list[ServiceNode]:
    """The first nodes in the order given, then by gravity and name, as people count. Without a `count` none is there.

    Chosen by key: all columns of all nodes would be sorted otherwise.
    """
    if not count:
        return []
    keys = list(nodes.values_list("pk", flat=True)[:SHOWN])
    found = ServiceNode.objects.select_related("bot").in_bulk(keys).values()
    return sorted(found, key=lambda node: (node.last_verdict in MILD, node.sort_key))


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
    """In three queries that indexes answer alone, and a fourth where nodes need a URL: these are counted apart."""
    never = Count("last_verdict", filter=Q(last_verdict=""))
    accepted = Count("last_verdict", filter=Q(last_verdict=ACCEPTED))
    counts = nodes.aggregate(nodes=Count("*"), accepted=accepted, never=never)
    lacking = nodes.filter(url="").aggregate(needs_url=Count("*"), never=never)
    bare = without_certificate(nodes).count()
    if lacking["needs_url"]:
        bare -= without_certificate(nodes.filter(url="")).count()
    return {
        "nodes": counts["nodes"],
        "accepted": counts["accepted"],
        "failing": counts["nodes"] - counts["accepted"] - counts["never"],
        "needs_url": lacking["needs_url"],
        "untested": counts["never"] - lacking["never"],
        "unprotected": bare,
    }
