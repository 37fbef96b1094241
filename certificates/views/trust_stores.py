"""Trust stores: the list, one store, import and deletion."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError
from certificates.forms import TrustStoreForm
from certificates.models import TrustStore
from certificates.pki.inspection import UploadedFile
from certificates.services.trust_stores import TrustStoreResult, delete_trust_store, import_trust_store
from certificates.views.using import attached_nodes, other_users

PER_PAGE = 50
WARNINGS_SHOWN = 5  # messages travel in a cookie


@require_permission(Permission.CONSOLE)
@require_GET
def listing(request: HttpRequest) -> HttpResponse:
    """Every trust store the user may know of."""
    stores = TrustStore.objects.visible_to(cast(User, request.user)).select_related("bot")
    counted = stores.annotate(anchor_count=Count("anchors"), first_expiry=Min("anchors__not_after"))
    ordered = counted.order_by("bot__slug", "name")  # grouping drops the model's own order
    page = Paginator(ordered, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "certificates/trust_stores.html", {"page": page})


@require_permission(Permission.VIEW)
@require_GET
def detail(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """One trust store: its anchors, and the nodes that use it."""
    user = cast(User, request.user)
    store = _load(user, bot, name)
    context = {
        "bot": bot,
        "store": store,
        "anchors": store.anchors.all(),
        **attached_nodes(user, store),
        **other_users(user, store),
        "may_import": Permission.TRUST_STORE_IMPORT in request.permissions,  # type: ignore[attr-defined]
    }
    return render(request, "certificates/trust_store.html", context)


@require_permission(Permission.TRUST_STORE_IMPORT)
@require_http_methods(["GET", "POST"])
def import_page(request: HttpRequest, bot: Bot | None = None) -> HttpResponse:
    """Add certificates to a trust store, new or not."""
    initial = {"name": request.GET.get("name", "")[:63]}
    form = TrustStoreForm(request.POST or None, request.FILES or None, initial=initial)
    if form.is_valid():
        files = [UploadedFile(file.name or "file", file.read()) for file in form.cleaned_data["files"]]
        actor = Actor.of(cast(User, request.user))
        try:
            result = import_trust_store(actor=actor, owner=bot, name=form.cleaned_data["name"], files=files)
        except DomainError as error:
            show_error(form, error, field=getattr(error, "field", None) or "files")
        else:
            messages.success(request, _told(result))
            for warning in result.warnings[:WARNINGS_SHOWN]:
                messages.warning(request, warning)
            return redirect(result.trust_store)
    context = {"form": form, "bot": bot, "owner_name": bot.name if bot else "the platform"}
    return render(request, "certificates/trust_store_import.html", context, status=status_of(form))


@require_permission(Permission.TRUST_STORE_IMPORT)
@require_POST
def delete(request: HttpRequest, name: str, bot: Bot | None = None) -> HttpResponse:
    """Delete a trust store that no node uses."""
    user = cast(User, request.user)
    store = _load(user, bot, name)
    try:
        delete_trust_store(actor=Actor.of(user), trust_store=store)
    except Conflict as conflict:
        messages.error(request, conflict.text)
        return redirect(store)
    messages.success(request, f"The trust store {store.path} is deleted.")
    return redirect("certificates:trust_stores")


def _told(result: TrustStoreResult) -> str:
    if not result.changed:
        return f"{result.trust_store.path} holds these certificates already: nothing is changed."
    count = len(result.added)
    return f"{result.trust_store.path}: {count} trust anchor{'' if count == 1 else 's'} added."


def _load(user: User, bot: Bot | None, name: str) -> TrustStore:
    return get_object_or_404(TrustStore.objects.visible_to(user).of_owner(bot).select_related("bot"), name=name)
