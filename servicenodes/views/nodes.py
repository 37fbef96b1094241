"""Service nodes: the list, one node, creating, changing, deleting."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import Conflict, DomainError, Stale
from servicenodes.counters import fallbacks_of, traffic_of_nodes
from servicenodes.effective import effective_certificate, effective_certificates
from servicenodes.fleet import ACCEPTED
from servicenodes.forms import NodeFilter, NodeForm, node_values
from servicenodes.models import ServiceNode, ServiceNodeQuerySet
from servicenodes.services.alarms import alarms_for, open_alarms
from servicenodes.services.basis import outdated, what_changed
from servicenodes.services.nodes import change_node, create_node, delete_node
from servicenodes.views import conflicts
from servicenodes.views.presented import named_in

PER_PAGE = 50
TESTS_SHOWN = 15
HISTORY = 10
NEW = {"method": "GET", "min_tls": "1.2", "timeout_s": 10, "require_mutual_tls": True}


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Every service node the user may know of, with effective certificate and last verdict."""
    form = NodeFilter(request.GET or None)
    nodes = ServiceNode.objects.visible_to(cast(User, request.user)).select_related("bot")
    if form.is_valid():
        nodes = narrow(nodes, form.cleaned_data["q"].strip(), form.cleaned_data["verdict"])
    page = Paginator(nodes, PER_PAGE).get_page(request.GET.get("page"))
    rows = with_effective(list(page.object_list))
    filtered = form.is_bound and any(request.GET.get(name) for name in form.fields)
    context = {"page": page, "rows": rows, "form": form, "filtered": filtered}
    return render(request, "servicenodes/list.html", context)


def narrow(nodes: ServiceNodeQuerySet, text: str, verdict: str) -> ServiceNodeQuerySet:
    """What the filter asks for."""
    if text:
        fits = Q(name__icontains=text) | Q(dialog__icontains=text) | Q(slug__icontains=text)
        nodes = nodes.filter(fits | Q(bot__slug__icontains=text) | Q(url__icontains=text))
    if verdict == "needs_url":
        return nodes.filter(url="")
    if verdict == "never":
        return nodes.with_url().filter(last_verdict="")
    if verdict == "accepted":
        return nodes.filter(last_verdict=ACCEPTED)
    return nodes.exclude(last_verdict__in=("", ACCEPTED)) if verdict else nodes


def with_effective(nodes: list[ServiceNode]) -> list[ServiceNode]:
    """The nodes, each with `effective` and `outdated` (what changed since its last test) for the page."""
    found, changed = effective_certificates(nodes), outdated(nodes)
    for node in nodes:
        node.effective = found[node.pk]  # type: ignore[attr-defined]
        node.outdated = changed.get(node.pk, "")  # type: ignore[attr-defined]
    return nodes


@require_permission(Permission.VIEW)
@require_GET
def detail(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """One node: settings, effective certificate, last verdict, history."""
    found = load(bot, node)
    tests = list(found.tests.select_related("proof__next_version")[:TESTS_SHOWN])
    visible = AuditEvent.objects.visible_to(cast(User, request.user))
    granted = request.permissions  # type: ignore[attr-defined]
    effective = effective_certificate(found)
    finished = found.tests.select_related("version").filter(finished_at=found.last_tested_at)
    last = finished.first() if found.last_tested_at else None
    context = {
        "bot": bot,
        "node": found,
        "effective": effective,
        "tests": tests,
        "alarms": alarms_for(cast(User, request.user), open_alarms().filter(node=found)),
        "last": last,
        "named": named_in(cast(User, request.user), last) if last else None,
        "needs_url": "" if found.url else needs_url(found),
        "outdated": what_changed(last, found, effective.certificate) if last else "",
        "traffic": traffic_of_nodes([found])[found.pk],
        "fallbacks": fallbacks_of(found),
        "sealed_headers": [header.name for header in found.sealed_headers.only("name")],
        "history": visible.filter(object_id=str(found.pk))[:HISTORY],
        "may_change": Permission.NODE_CHANGE in granted,
        "may_attach": Permission.NODE_ATTACH in granted,
        "may_test": Permission.NODE_TEST in granted,
        "may_invoke": Permission.NODE_INVOKE in granted,
    }
    return render(request, "servicenodes/detail.html", context)


def _warn_of_twins(request: HttpRequest, node: ServiceNode) -> None:
    """Tell of another node with the same name: allowed, for dialogs may repeat a step, but hard to tell apart."""
    twins = node.bot.service_nodes.filter(name=node.name, dialog=node.dialog).exclude(pk=node.pk)
    if twin := twins.first():
        where = "another name" if node.dialog else "a dialog or another name"
        text = f"{twin.bot.slug}/{twin.slug} is called “{twin.name}” too. Give one of them {where}."
        messages.warning(request, text)


@require_permission(Permission.NODE_CHANGE)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest, bot: Bot) -> HttpResponse:
    """A new service node."""
    form = NodeForm(**filled(request, NEW), bot=bot)
    if form.is_valid():
        values = {name: value for name, value in form.cleaned_data.items() if name != "revision"}
        try:
            node = create_node(actor=Actor.of(cast(User, request.user)), bot=bot, **values)
        except DomainError as error:
            show_error(form, error, field="slug" if isinstance(error, Conflict) else None)
        else:
            messages.success(
                request, f"The service node “{node.name}” exists as {node.path}. Next: test its connection."
            )
            _warn_of_twins(request, node)
            return redirect(node)
    return render(request, "servicenodes/edit.html", {"form": form, "bot": bot}, status=status_of(form))


@require_permission(Permission.NODE_CHANGE)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """Change a node; refused when somebody else changed it meanwhile."""
    found = load(bot, node)
    form = NodeForm(**filled(request, node_values(found)), bot=bot)
    if not found.url:
        form.fields["url"].required = False  # the rest may be changed without it
        form.fields["url"].help_text = f"The bot definition says “{found.exported_url}”. Give the URL to test and call."
    context: dict[str, Any] = {"form": form, "bot": bot, "node": found}
    if form.is_valid():
        changes = dict(form.cleaned_data)
        expected = changes.pop("revision") or 0
        try:
            changed = change_node(
                actor=Actor.of(cast(User, request.user)), node=found, expected_revision=expected, **changes
            )
        except DomainError as error:
            if isinstance(error, Stale):
                form.add_error(None, conflicts.TEXT)
                context["conflict"] = conflicts.differences(form, found)
                conflicts.on_top_of(form, found)
            else:
                show_error(form, error)
        else:
            messages.success(request, "The changes are saved.")
            return redirect(changed)
    return render(request, "servicenodes/edit.html", context, status=status_of(form))


@require_permission(Permission.NODE_CHANGE)
@require_POST
def delete(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """Delete a node and the record of its tests."""
    found = load(bot, node)
    delete_node(actor=Actor.of(cast(User, request.user)), node=found)
    messages.success(request, f"The service node “{found.name}” is deleted.")
    return redirect("servicenodes:bot", bot=bot.slug)


def needs_url(node: ServiceNode) -> str:
    """What an imported node without a URL lacks, in words."""
    says = f"its bot definition says “{node.exported_url}”, and the host must be known and speak HTTPS"
    return f"It has no URL yet, so it can be neither tested nor called: {says}."


def load(bot: Bot, slug: str) -> ServiceNode:
    """The node of a bot that the user may see, or 404."""
    return get_object_or_404(bot.service_nodes.select_related("bot", "certificate__bot", "trust_store__bot"), slug=slug)
