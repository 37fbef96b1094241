"""Attaching a certificate to a node, and detaching it; attaching one to several nodes."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import bots_allowing, require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import filled, show_error, status_of
from botplatform.errors import DomainError, NotAllowed
from certificates.models import ClientCertificate
from servicenodes.effective import effective_certificate
from servicenodes.forms import AttachForm, AttachManyForm, NodeFilter
from servicenodes.models import ServiceNode
from servicenodes.services.attaching import attach_certificate, detach_certificate
from servicenodes.views.nodes import PER_PAGE, load, narrow, with_effective


@require_permission(Permission.NODE_ATTACH)
@require_http_methods(["GET", "POST"])
def attach(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """Choose the certificate of one node, or none."""
    found = load(bot, node)
    form = AttachForm(**filled(request, {"certificate": found.certificate_id}), bot=bot)
    if form.is_valid():
        actor = Actor.of(cast(User, request.user))
        certificate = form.cleaned_data["certificate"]
        try:
            if certificate:
                attach_certificate(actor=actor, certificate=certificate, nodes=[found])
            else:
                detach_certificate(actor=actor, nodes=[found])
        except DomainError as error:
            show_error(form, error)
        else:
            done = f"{certificate.path} is attached." if certificate else "Nothing is attached; the default applies."
            messages.success(request, f"{done} Next: test the connection.")
            return redirect(found)
    context = {"form": form, "bot": bot, "node": found, "effective": effective_certificate(found)}
    return render(request, "servicenodes/attach.html", context, status=status_of(form))


@require_permission(Permission.VIEW)
@require_http_methods(["GET", "POST"])
def attach_many(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Tick the nodes that shall present a certificate. Offered are those of the bots where the user may attach."""
    user = cast(User, request.user)
    owned = ClientCertificate.objects.visible_to(user).of_owner(bot).select_related("bot")
    certificate = get_object_or_404(owned, name=name)
    bots = bots_allowing(user, Permission.NODE_ATTACH)
    bots = bots.filter(pk=bot.pk) if bot else bots
    if not bots.exists():
        raise NotAllowed("Your role does not include attaching certificates to service nodes here.")
    nodes = ServiceNode.objects.filter(bot__in=bots.values("pk")).select_related("bot")
    form = AttachManyForm(request.POST or None, nodes=nodes)
    if form.is_valid():
        chosen = list(form.cleaned_data["nodes"])
        try:
            changed = attach_certificate(actor=Actor.of(user), certificate=certificate, nodes=chosen)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, _told(certificate, len(changed), len(chosen) - len(changed)))
            return redirect(certificate)
    search = NodeFilter(request.GET or None)
    text = search.cleaned_data["q"].strip() if search.is_valid() else ""
    page = Paginator(narrow(nodes, text, ""), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "search": search, "text": text, "page": page, "bot": bot, "certificate": certificate}
    rows = with_effective(list(page.object_list))
    return render(request, "servicenodes/attach_many.html", {**context, "rows": rows}, status=status_of(form))


def _told(certificate: ClientCertificate, changed: int, same: int) -> str:
    before = f" {same} had it already." if same else ""
    if not changed:
        return f"Nothing changed:{before}"
    nodes = "1 node" if changed == 1 else f"{changed} nodes"
    return f"{certificate.path} is attached to {nodes}.{before} Next: test the connections."
