"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncMonth

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
    tested = nodes.with_last_test()
    active = _versions(user).filter(status=VersionStatus.ACTIVE)
    expiring = active.filter(not_after__lte=now + EXPIRES_SOON).order_by("not_after")
    failing = tested.filter(last_verdict__isnull=False).exclude(last_verdict=ACCEPTED)  # type: ignore[misc]
    bare = without_certificate(nodes)
    return Fleet(
        expiring=list(expiring.select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=_newest(tested, failing),
        untested=list(tested.filter(last_verdict__isnull=True)[:SHOWN]),  # type: ignore[misc]
        unprotected=list(bare.select_related("bot")[:SHOWN]),
        expiries=_expiries(active, now),
        numbers=_numbers(user=user, tested=tested, active=active, expiring=expiring, bare=bare),
    )


def _versions(user: User) -> QuerySet[CertificateVersion]:
    """The versions the user may know of."""
    versions = CertificateVersion.objects.all()
    if user.is_administrator or user.is_auditor:
        return versions  # as in `visible_filter`: no condition where every row meets it
    return versions.filter(certificate__in=ClientCertificate.objects.visible_to(user))


def _newest(tested: ServiceNodeQuerySet, failing: ServiceNodeQuerySet) -> list[ServiceNode]:
    """The failing nodes tested last. Chosen by key first: all columns of all nodes would be sorted otherwise."""
    keys = list(failing.order_by("-last_tested_at").values_list("pk", flat=True)[:SHOWN])
    return sorted(tested.filter(pk__in=keys), key=lambda node: keys.index(node.pk))


def _expiries(active: QuerySet[CertificateVersion], now: datetime) -> list[tuple[date, int]]:
    """How many active versions expire in this month and each of the eleven after it."""
    first = now.year * 12 + now.month - 1
    months = [date(number // 12, number % 12 + 1, 1) for number in range(first, first + MONTHS)]
    coming = active.filter(not_after__gt=now, not_after__lt=now + timedelta(days=31 * MONTHS))
    counted = coming.annotate(month=TruncMonth("not_after", tzinfo=UTC)).values("month").order_by("month")
    found = {row["month"].date(): row["n"] for row in counted.annotate(n=Count("pk"))}
    return [(month, found.get(month, 0)) for month in months]


def without_certificate(nodes: ServiceNodeQuerySet) -> ServiceNodeQuerySet:
    """Nodes with nothing attached and no default to fall back to."""
    of_bot = ClientCertificate.objects.filter(bot=OuterRef("bot"), is_default=True)
    of_platform = ClientCertificate.objects.filter(bot__isnull=True, is_default=True)
    return nodes.filter(~Exists(of_bot), ~Exists(of_platform), certificate__isnull=True)


def _numbers(
    *,
    user: User,
    tested: ServiceNodeQuerySet,
    active: QuerySet[CertificateVersion],
    expiring: QuerySet[CertificateVersion],
    bare: ServiceNodeQuerySet,
) -> dict[str, int]:
    counts = tested.aggregate(
        nodes=Count("pk"),
        accepted=Count("pk", filter=Q(last_verdict=ACCEPTED)),
        untested=Count("pk", filter=Q(last_verdict__isnull=True)),
    )
    counts["failing"] = counts["nodes"] - counts["accepted"] - counts["untested"]
    counts["bots"] = Bot.objects.visible_to(user).count()
    counts["certificates"] = active.count()
    counts["expiring"] = expiring.count()
    counts["unprotected"] = bare.count()
    return counts
