"""What expires among client certificates and trust anchors, as the reminders take it. Reads only.

This app knows of nodes and calls only through the relations to its own rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet

from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.console import moments
from botplatform.notifications.reminders import LONG_AGO, Ending
from certificates.models import (
    CertificateVersion,
    ChainCertificate,
    ClientCertificate,
    TrustAnchor,
    TrustStore,
    VersionStatus,
)
from certificates.pki.display import short_name

PAGE = 500  # rows in memory at a time
WATCHED = (VersionStatus.ACTIVE, VersionStatus.STAGED)
IN_USE = timedelta(days=7)
USERS = {"service_nodes": "service node", "issuers": "issuer", "webhooks": "webhook"}  # of a trust store
WITH = ("certificate__bot", "certificate__renewal__issuer__bot")
_CERTIFICATE = "version__certificate"
Row = TypeVar("Row", CertificateVersion, TrustAnchor)


def watched_versions() -> QuerySet[CertificateVersion]:
    """Active and staged versions, with what a reminder names."""
    return CertificateVersion.objects.filter(status__in=WATCHED).select_related(*WITH).defer("leaf_der")


def watched_anchors() -> QuerySet[TrustAnchor]:
    """Anchors of trust stores in use, except those that the same name outlives in the same store."""
    younger = TrustAnchor.objects.filter(
        trust_store=OuterRef("trust_store"), subject=OuterRef("subject"), not_after__gt=OuterRef("not_after")
    )
    by_anybody = reduce(or_, (Q(**{f"{users}__isnull": False}) for users in USERS))
    used = TrustStore.objects.filter(by_anybody, pk=OuterRef("trust_store"))
    return TrustAnchor.objects.filter(Exists(used), ~Exists(younger)).select_related("trust_store__bot").defer("der")


def watched_issuers() -> QuerySet[ChainCertificate]:
    """Intermediates and roots of active and staged versions."""
    return ChainCertificate.objects.filter(version__status__in=WATCHED)


def until(rows: Any, horizon: datetime, now: datetime) -> Any:
    """Those that end before `horizon`: a range of an index."""
    return rows.filter(not_after__lte=horizon, not_after__gte=now - LONG_AGO)


def pages(rows: QuerySet[Row]) -> Iterator[list[Row]]:
    """The rows, `PAGE` at a time, the soonest end first: each page begins where the index was left."""
    page = list(rows.order_by("not_after", "pk")[:PAGE])
    while page:
        yield page
        last = page[-1]
        later = Q(not_after__gt=last.not_after) | Q(not_after=last.not_after, pk__gt=last.pk)
        page = list(rows.filter(later, not_after__gte=last.not_after).order_by("not_after", "pk")[:PAGE])


# --- Leafs ------------------------------------------------------------------------------------------------------------


def of_versions(versions: Sequence[CertificateVersion], now: datetime) -> list[Ending]:
    """The leafs of these versions. Two queries."""
    staged = CertificateVersion.objects.filter(
        status=VersionStatus.STAGED, certificate__in={version.certificate_id for version in versions}
    )
    successors = {row.certificate_id: row for row in staged.only("certificate_id", "number", "not_after")}
    use = _use(versions, now)
    return [_of_version(version, successors.get(version.certificate_id), use) for version in versions]


def _of_version(version: CertificateVersion, staged: CertificateVersion | None, use: dict[uuid.UUID, str]) -> Ending:
    certificate, is_staged = version.certificate, version.status == VersionStatus.STAGED
    replaced = staged is not None and staged.pk != version.pk and staged.not_after > version.not_after
    renewal = getattr(certificate, "renewal", None)
    advice = "Request the renewed certificate, import and stage it, test it, then promote it."
    if renewal is not None and renewal.issuer is not None:
        advice = f"{renewal.issuer.path} is to renew it: the certificate’s page says how that stands."
    return Ending(
        subject=f"version:{version.pk}",
        name=f"{certificate.path} version {version.number} (staged)" if is_staged else certificate.path,
        what=f"The client certificate {certificate.path} (version {version.number}, {short_name(version.subject)})",
        not_before=version.not_before,
        not_after=version.not_after,
        bot=certificate.bot,
        link=certificate.get_absolute_url(),
        advice="It is staged and was not promoted." if is_staged else "" if replaced else advice,
        successor=_successor(staged) if staged and replaced else "",
        in_use=use.get(version.pk, ""),
        also=(certificate.responsible,) if certificate.responsible else (),
        data={"kind": "leaf", "certificate": certificate.path, "version": version.number, "sha256": version.sha256},
    )


def _successor(staged: CertificateVersion) -> str:
    return f"Version {staged.number} is staged and valid until {moments.day(staged.not_after)}: test and promote it."


def _use(versions: Sequence[CertificateVersion], now: datetime) -> dict[uuid.UUID, str]:
    """Which of them carried traffic lately, in words."""
    lately = Q(call_counters__last_used_at__gte=now - IN_USE) & ~Q(call_counters__outcome="refused")
    rows = (
        CertificateVersion.objects.filter(lately, pk__in=[version.pk for version in versions])
        .order_by()
        .values("pk")
        .annotate(nodes=Count("call_counters__node", distinct=True), last=Max("call_counters__last_used_at"))
    )
    return {
        row[
            "pk"
        ]: f"It is in use: calls of {_nodes(row['nodes'])} presented it, last on {moments.minute(row['last'])} UTC."
        for row in rows
    }


def _nodes(count: int) -> str:
    return f"{count} service node{'' if count == 1 else 's'}"


# --- Issuers and anchors ----------------------------------------------------------------------------------------------


def of_certificate(certificate: ClientCertificate, now: datetime) -> list[Ending]:
    """All of one client certificate: its leafs and their issuers. Six queries at most."""
    versions = list(watched_versions().filter(certificate=certificate))
    return of_versions(versions, now) + of_issuers(watched_issuers().filter(version__certificate=certificate))


def of_issuers(rows: QuerySet[ChainCertificate], *, most: int | None = None) -> list[Ending]:
    """Each intermediate or root once for each owner, behind however many of its certificates it stands."""
    grouped = rows.order_by("not_after", "sha256").values(
        "sha256", "subject", "role", "not_before", "not_after", bot=F(f"{_CERTIFICATE}__bot")
    )
    counted = grouped.annotate(count=Count(_CERTIFICATE, distinct=True), name=Min(f"{_CERTIFICATE}__name"))
    found = list(counted[:most])
    bots = Bot.objects.in_bulk({row["bot"] for row in found if row["bot"]})
    responsible = _responsible(rows.filter(sha256__in={row["sha256"] for row in found}))
    return [_of_issuer(row, bots.get(row["bot"]), responsible.get((row["bot"], row["sha256"]), ())) for row in found]


def _responsible(rows: QuerySet[ChainCertificate]) -> dict[tuple[uuid.UUID | None, str], tuple[str, ...]]:
    """Who looks after the certificates behind which each of these stands."""
    named = rows.exclude(**{f"{_CERTIFICATE}__responsible": ""}).order_by(f"{_CERTIFICATE}__responsible")
    found: dict[tuple[uuid.UUID | None, str], tuple[str, ...]] = {}
    for bot, sha256, address in named.values_list(
        f"{_CERTIFICATE}__bot", "sha256", f"{_CERTIFICATE}__responsible"
    ).distinct():
        found[bot, sha256] = (*found.get((bot, sha256), ()), address)
    return found


def _of_issuer(row: dict[str, Any], bot: Bot | None, responsible: tuple[str, ...]) -> Ending:
    certificate = ClientCertificate(bot=bot, name=row["name"])
    others = row["count"] - 1
    behind = certificate.path + (f" and {others} other certificate{'' if others == 1 else 's'}" if others else "")
    name = short_name(row["subject"])
    return Ending(
        subject=f"issuer:{bot.pk if bot else PLATFORM_SLUG}:{row['sha256']}",
        name=f"{name} ({row['role']} of {behind})",
        what=f"The {row['role']} “{name}” in the chain of {behind}",
        not_before=row["not_before"],
        not_after=row["not_after"],
        bot=bot,
        link=certificate.get_absolute_url(),
        advice="Ask the CA for its new chain, and import it together with the renewed certificate.",
        also=responsible,
        data={"kind": row["role"], "certificate": certificate.path, "sha256": row["sha256"]},
    )


def of_anchors(anchors: Iterable[TrustAnchor]) -> list[Ending]:
    """The anchors of trust stores. One query."""
    anchors = list(anchors)
    stores = TrustStore.objects.filter(pk__in={anchor.trust_store_id for anchor in anchors}).order_by()
    counted = stores.values_list("pk", *(Count(users, distinct=True) for users in USERS))
    used = {store: _verified(counts) for store, *counts in counted}
    return [_of_anchor(anchor, used[anchor.trust_store_id]) for anchor in anchors]


def _verified(counts: Sequence[int]) -> str:
    """How many of each of `USERS` there are, in words."""
    pairs = zip(counts, USERS.values(), strict=True)
    whose = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in pairs if count]
    return f"Servers of {' and '.join(whose) or 'nothing'} are verified with this trust store."


def _of_anchor(anchor: TrustAnchor, in_use: str) -> Ending:
    store, name = anchor.trust_store, short_name(anchor.subject)
    return Ending(
        subject=f"anchor:{anchor.pk}",
        name=f"{name} in the trust store {store.path}",
        what=f"The trust anchor “{name}” of the trust store {store.path}",
        not_before=anchor.not_before,
        not_after=anchor.not_after,
        bot=store.bot,
        link=store.get_absolute_url(),
        advice="Import the CA’s new certificate into the same trust store before servers present what it signed.",
        in_use=in_use,
        data={"kind": "trust_anchor", "trust_store": store.path, "sha256": anchor.sha256},
    )
