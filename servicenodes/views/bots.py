"""Bots: the list, and one bot with its nodes, certificates and people."""

from __future__ import annotations

from typing import cast

from django.core.paginator import Paginator
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Permission
from certificates.models import ClientCertificate
from servicenodes.models import ServiceNode
from servicenodes.views.nodes import with_effective

PER_PAGE = 50
SHOWN = 100


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """The bots the user may know of, with how much each holds."""
    user = cast(User, request.user)
    bots = Bot.objects.visible_to(user).annotate(
        node_count=_count(ServiceNode.objects.all()),
        certificate_count=_count(ClientCertificate.objects.all()),
        people_count=_count(Membership.objects.all()),
    )
    page = Paginator(bots, PER_PAGE).get_page(request.GET.get("page"))
    may_create = Permission.BOT_CREATE in request.permissions  # type: ignore[attr-defined]
    return render(request, "servicenodes/bots.html", {"page": page, "may_create": may_create})


def _count(rows: QuerySet) -> Coalesce:  # type: ignore[type-arg]
    """How many rows belong to the bot, as one subquery: joins would multiply each other."""
    per_bot = rows.order_by().filter(bot=OuterRef("pk")).values("bot").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(per_bot, output_field=IntegerField()), 0)


@require_permission(Permission.VIEW)
@require_GET
def detail(request: HttpRequest, bot: Bot) -> HttpResponse:
    """One bot."""
    nodes = ServiceNode.objects.filter(bot=bot)
    certificates = ClientCertificate.objects.filter(bot=bot)
    granted = request.permissions  # type: ignore[attr-defined]
    context = {
        "bot": bot,
        "nodes": with_effective(list(nodes.select_related("bot")[:SHOWN])),
        "node_count": nodes.count(),
        "certificates": certificates.with_active_version()[:SHOWN],
        "certificate_count": certificates.count(),
        "trust_stores": bot.trust_stores.select_related("bot")[:SHOWN],
        "issuers": bot.issuers.select_related("bot")[:SHOWN],
        "members": bot.memberships.select_related("user")[:SHOWN],
        "may_change_nodes": Permission.NODE_CHANGE in granted,
        "may_import": Permission.CERTIFICATE_IMPORT in granted,
        "may_import_trust": Permission.TRUST_STORE_IMPORT in granted,
    }
    return render(request, "servicenodes/bot.html", context)
