"""The clientAuth radar: which certificates lack clientAuth, or lose it at a renewal."""

from __future__ import annotations

import uuid
from typing import cast

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.roles import Permission
from certificates.models import CertificateVersion, ClientCertificate
from certificates.pki.public_cas import SOURCES
from certificates.services.radar import LACKS, LOSES, blip_of, on_radar

PER_PAGE = 50


@require_permission(Permission.CONSOLE)
@require_GET
def radar(request: HttpRequest) -> HttpResponse:
    """Those that lack it first, then by expiry."""
    now = timezone.now()
    versions = on_radar(cast(User, request.user))
    numbers = versions.aggregate(lacking=Count("pk", filter=Q(LACKS)), losing=Count("pk", filter=Q(LOSES) & ~Q(LACKS)))
    page = Paginator(versions, PER_PAGE).get_page(request.GET.get("page"))
    found = list(page.object_list)
    nodes = _node_counts(found)
    rows = [(version, blip_of(version, now), nodes[version.certificate_id]) for version in found]
    context = {"page": page, "rows": rows, "numbers": numbers, "sources": SOURCES}
    return render(request, "certificates/radar.html", context)


def _node_counts(versions: list[CertificateVersion]) -> dict[uuid.UUID, int]:
    """How many service nodes each of their certificates is attached to. One query."""
    certificates = ClientCertificate.objects.filter(pk__in={version.certificate_id for version in versions})
    return dict(certificates.order_by().annotate(n=Count("service_nodes")).values_list("pk", "n"))
