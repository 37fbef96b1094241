"""What needs a person today, and the state of the fleet in numbers. Reads only, in a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.console.moments import EXPIRES_SOON
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from servicenodes.models import ServiceNode, ServiceNodeQuerySet

ACCEPTED = "accepted"
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Fleet:
    """Lists hold the first `SHOWN`; `numbers` count all."""

    expiring: list[CertificateVersion]
    failing: list[ServiceNode]
    untested: list[ServiceNode]
    unprotected: list[ServiceNode]
    numbers: dict[str, int]

    @property
    def needs_nobody(self) -> bool:
        return not (self.expiring or self.failing or self.untested or self.unprotected)


def survey(user: User, now: datetime) -> Fleet:
    """The fleet as far as `user` may see it."""
    nodes = ServiceNode.objects.visible_to(user)
    tested = nodes.with_last_test()
    active = CertificateVersion.objects.filter(
        certificate__in=ClientCertificate.objects.visible_to(user), status=VersionStatus.ACTIVE
    )
    expiring = active.filter(not_after__lte=now + EXPIRES_SOON).order_by("not_after")
    failing = tested.filter(last_verdict__isnull=False).exclude(last_verdict=ACCEPTED)  # type: ignore[misc]
    bare = without_certificate(nodes)
    return Fleet(
        expiring=list(expiring.select_related("certificate__bot").defer("leaf_der")[:SHOWN]),
        failing=list(failing.order_by("-last_tested_at")[:SHOWN]),
        untested=list(tested.filter(last_verdict__isnull=True)[:SHOWN]),  # type: ignore[misc]
        unprotected=list(bare.select_related("bot")[:SHOWN]),
        numbers=_numbers(user=user, tested=tested, active=active, expiring=expiring, bare=bare),
    )


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
