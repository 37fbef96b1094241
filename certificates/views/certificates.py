"""The list of certificates, and one certificate."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, Max, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.access import bots_allowing, require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from certificates.forms import CertificateFilter
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services.certificates import delete_certificate
from certificates.services.foreseeing import served_by_default
from certificates.services.renewal_outlook import Renewal, renewal_of
from certificates.services.rotation import rollback_target
from certificates.views import lifelines, searching
from certificates.views.alarms import alarms_of
from certificates.views.reminders import plans_of
from certificates.views.using import attached_nodes

PER_PAGE = 50
HISTORY = 60  # events; what follows on its like is one line
TESTS = 10
SHOWN_WHOLE = (VersionStatus.ACTIVE, VersionStatus.STAGED)


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Every certificate the user may know of."""
    user = cast(User, request.user)
    form = CertificateFilter(request.GET or None)
    found = ClientCertificate.objects.visible_to(user).with_active_version()
    if form.is_valid():
        if text := form.cleaned_data["q"].strip():
            found = searching.search(found, text)
        found = searching.show(found, form.cleaned_data["show"], timezone.now())
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    filtered = form.is_bound and any(request.GET.get(name) for name in form.fields)
    return render(request, "certificates/list.html", {"page": page, "form": form, "filtered": filtered})


@require_permission(Permission.VIEW)
@require_GET
def detail(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """One certificate: its versions, chain, findings, use and history."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    versions = with_traffic(
        user, certificate, list(certificate.versions.select_related("signing_request").prefetch_related("chain"))
    )
    renewal = renewal_of(certificate, versions)
    keys = [str(certificate.pk), *(str(version.pk) for version in versions)]
    may_import = Permission.CERTIFICATE_IMPORT in request.permissions  # type: ignore[attr-defined]
    context = {
        "bot": bot,
        "certificate": certificate,
        "versions": versions,
        "timeline": lifelines.lifelines(versions, lifelines.presented_spans(certificate), timezone.now()),
        "requests": _open_requests(versions, renewal),
        "rollback": rollback_target(certificate) if may_import else None,
        "active": next((version for version in versions if version.status == VersionStatus.ACTIVE), None),
        "material": [version for status in SHOWN_WHOLE for version in versions if version.status == status],
        **attached_nodes(user, certificate),
        "served": served_by_default(Actor.of(user), bot) if certificate.is_default else None,
        "renewal": renewal,
        "tests": tests_of(user, certificate),
        "alarms": alarms_of(user, certificate),
        "plans": plans_of(user, certificate),
        "fallback_open": certificate.fallback_until is not None and certificate.fallback_until > timezone.now(),
        "history": AuditEvent.objects.visible_to(user).filter(object_id__in=keys)[:HISTORY],
        "may_import": may_import,
        "may_attach": bots_allowing(user, Permission.NODE_ATTACH).filter(**({"pk": bot.pk} if bot else {})).exists(),
    }
    return render(request, "certificates/detail.html", context)


@require_permission(Permission.CERTIFICATE_IMPORT)
@require_POST
def delete(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Delete a certificate that nothing uses, with its keys."""
    user = cast(User, request.user)
    certificate = load(user, bot, name)
    try:
        delete_certificate(actor=Actor.of(user), certificate=certificate)
    except Conflict as conflict:
        messages.error(request, conflict.text)
        return redirect(certificate)
    messages.success(request, f"{certificate.path} and its private keys are deleted.")
    return redirect("certificates:list")


def _open_requests(versions: list[CertificateVersion], renewal: Renewal) -> list[CertificateVersion]:
    """Those that somebody is to bring a reply to; an issuer brings its own."""
    brought = renewal.policy.draft_id if renewal.policy and renewal.issuer else None
    return [version for version in versions if version.status == VersionStatus.DRAFT and version.pk != brought]


def with_traffic(
    user: User, certificate: ClientCertificate, versions: list[CertificateVersion]
) -> list[CertificateVersion]:
    """The versions, each with `calls` and `last_used_at` of the calls made by nodes that the user may see.

    As with tests, this app knows of calls only through the relation to its versions.
    """
    made = Q(call_counters__node__bot__in=Bot.objects.visible_to(user)) & ~Q(call_counters__outcome="refused")
    rows = (
        certificate.versions.order_by()
        .values("pk")
        .annotate(
            calls=Sum("call_counters__calls", filter=made), last_used_at=Max("call_counters__last_used_at", filter=made)
        )
    )
    used = {row["pk"]: row for row in rows}
    for version in versions:
        version.calls = used[version.pk]["calls"] or 0  # type: ignore[attr-defined]
        version.last_used_at = used[version.pk]["last_used_at"]  # type: ignore[attr-defined]
    return versions


def tests_of(user: User, certificate: ClientCertificate) -> list[dict[str, Any]]:
    """The newest tests that presented it. This app knows of tests only through the relation to its versions."""
    visible = certificate.versions.filter(
        connection_tests__presented=True, connection_tests__node__bot__in=Bot.objects.visible_to(user)
    )
    rows = visible.order_by("-connection_tests__finished_at").values(
        "number",
        test=F("connection_tests__pk"),
        verdict=F("connection_tests__verdict"),
        finished_at=F("connection_tests__finished_at"),
        node=F("connection_tests__node__slug"),
        node_name=F("connection_tests__node__name"),
        bot=F("connection_tests__node__bot__slug"),
    )
    return [dict(row) for row in rows[:TESTS]]


def load(user: User, bot: Bot | None, name: str) -> ClientCertificate:
    """The certificate `name` of `bot` or of the platform, or 404."""
    visible = ClientCertificate.objects.visible_to(user).of_owner(bot).select_related("bot")
    return get_object_or_404(visible, name=name)
