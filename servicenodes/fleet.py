"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import CharField, Count, Exists, Q, QuerySet
from django.db.models.functions import Cast, Substr

from botplatform.accounts.models import User
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import ROLE_PERMISSIONS, Permission
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from servicenodes.models import ServiceNode, ServiceNodeQuerySet

ACCEPTED = "accepted"
SHOWN = 8
MONTHS = 12
Expiries = list[tuple[date, int]]


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
    expiries: Expiries  # the first day of each of the coming months, and how many expire in it

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
    counts, expiries = _count_versions(active, now)
    others = {"bots": Bot.objects.visible_to(user).count(), "unprotected": bare.count()}
    return Fleet(
        expiring=list(expiring.order_by("not_after").select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=_first(failing.order_by("-last_tested_at")),
        untested=_first(listed.filter(last_verdict="").order_by("-created_at")),
        unprotected=_first(without_certificate(listed).order_by("-created_at")),
        mine=mine,
        expiries=expiries,
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


def _count_versions(active: QuerySet[CertificateVersion], now: datetime) -> tuple[dict[str, int], Expiries]:
    """How many are active, how many of them expire soon, and how many in this month and each of the eleven after it.

    One query that an index answers alone. A month is the beginning of the time's text: taking it from the date would
    cost SQLite a call of Python for each row.
    """
    months = active.order_by().values(month=Substr(Cast("not_after", CharField()), 1, len("2026-11")))
    past = Count("not_after", filter=Q(not_after__lte=now))
    soon = Count("not_after", filter=Q(not_after__lte=now + EXPIRES_SOON))
    found = {row["month"]: row for row in months.annotate(n=Count("*"), past=past, soon=soon)}
    first = now.year * 12 + now.month - 1
    dates = [date(number // 12, number % 12 + 1, 1) for number in range(first, first + MONTHS)]
    rows = [(month, found.get(f"{month:%Y-%m}")) for month in dates]
    counts = {"certificates": "n", "expiring": "soon"}
    return (
        {name: sum(row[key] for row in found.values()) for name, key in counts.items()},
        [(month, row["n"] - row["past"] if row else 0) for month, row in rows],
    )


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
