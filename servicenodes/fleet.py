"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import Count, Exists, Q, QuerySet

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from servicenodes.models import ServiceNode, ServiceNodeQuerySet

ACCEPTED = "accepted"
SHOWN = 8
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Fleet:
    """Lists hold the first `SHOWN`; `numbers` count all."""

    expiring: list[CertificateVersion]
    failing: list[ServiceNode]
    untested: list[ServiceNode]
    unprotected: list[ServiceNode]
    numbers: dict[str, int]
    expiries: list[tuple[date, int]]  # the first day of each of the coming months, and how many expire in it

    @property
    def needs_nobody(self) -> bool:
        return not (self.expiring or self.failing or self.untested or self.unprotected)


def survey(user: User, now: datetime) -> Fleet:
    """The fleet as far as `user` may see it."""
    nodes = ServiceNode.objects.visible_to(user)
    active = _versions(user).filter(status=VersionStatus.ACTIVE)
    expiring = active.filter(not_after__lte=now + EXPIRES_SOON)
    failing = nodes.exclude(last_verdict__in=("", ACCEPTED))
    bare = without_certificate(nodes)
    return Fleet(
        expiring=list(expiring.order_by("not_after").select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=_first(failing.order_by("-last_tested_at")),
        untested=_first(nodes.filter(last_verdict="").order_by("-created_at")),
        unprotected=_first(bare.order_by("-created_at")),
        expiries=_expiries(active, now),
        numbers=_numbers(user=user, nodes=nodes, active=active, now=now) | {"unprotected": bare.count()},
    )


def _versions(user: User) -> QuerySet[CertificateVersion]:
    """The versions the user may know of."""
    versions = CertificateVersion.objects.all()
    if user.is_administrator or user.is_auditor:
        return versions  # as in `visible_filter`: no condition where every row meets it
    return versions.filter(certificate__in=ClientCertificate.objects.visible_to(user))


def _first(nodes: ServiceNodeQuerySet) -> list[ServiceNode]:
    """The first nodes in their order. Chosen by key: all columns of all nodes would be sorted otherwise."""
    keys = list(nodes.values_list("pk", flat=True)[:SHOWN])
    found = ServiceNode.objects.select_related("bot").in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _expiries(active: QuerySet[CertificateVersion], now: datetime) -> list[tuple[date, int]]:
    """How many active versions expire in this month and each of the eleven after it.

    Twelve counts in one query: on SQLite a month made of each row's date costs a call of Python each.
    """
    first = now.year * 12 + now.month - 1
    starts = [datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in range(first, first + MONTHS + 1)]
    coming = active.filter(not_after__gt=now, not_after__lt=starts[-1])
    counts = {
        f"month_{place}": Count("pk", filter=Q(not_after__gte=start, not_after__lt=starts[place + 1]))
        for place, start in enumerate(starts[:-1])
    }
    found = coming.aggregate(**counts)
    return [(start.date(), found[f"month_{place}"]) for place, start in enumerate(starts[:-1])]


def without_certificate(nodes: ServiceNodeQuerySet) -> ServiceNodeQuerySet:
    """Nodes with nothing attached and no default to fall back to."""
    defaults = ClientCertificate.objects.filter(is_default=True)
    served = defaults.filter(bot__isnull=False).values("bot")
    return nodes.filter(~Exists(defaults.filter(bot__isnull=True)), certificate__isnull=True).exclude(bot__in=served)


def _numbers(
    *, user: User, nodes: ServiceNodeQuerySet, active: QuerySet[CertificateVersion], now: datetime
) -> dict[str, int]:
    counts = nodes.aggregate(
        nodes=Count("pk"),
        accepted=Count("pk", filter=Q(last_verdict=ACCEPTED)),
        untested=Count("pk", filter=Q(last_verdict="")),
    )
    counts["failing"] = counts["nodes"] - counts["accepted"] - counts["untested"]
    counts["bots"] = Bot.objects.visible_to(user).count()
    return counts | active.aggregate(
        certificates=Count("pk"), expiring=Count("pk", filter=Q(not_after__lte=now + EXPIRES_SOON))
    )
