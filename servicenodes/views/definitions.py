"""Import of a bot definition in two steps: look at what it would do, then save. It travels sealed in a hidden field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import DomainError
from servicenodes.definitions.definition import BotDefinition
from servicenodes.definitions.files import MAX_BYTES, read_definition
from servicenodes.forms import DefinitionForm
from servicenodes.services import previews
from servicenodes.services.definitions import ImportReport, import_definition


@require_permission(Permission.NODE_CHANGE)
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters()
def import_page(request: HttpRequest, bot: Bot) -> HttpResponse:
    """Into a bot that exists."""
    return _page(request, bot)


@require_permission(Permission.BOT_CREATE)
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters()
def import_new(request: HttpRequest) -> HttpResponse:
    """As a new bot."""
    return _page(request, None)


def _page(request: HttpRequest, bot: Bot | None) -> HttpResponse:
    """The form, the preview, and the saving."""
    actor = Actor.of(cast(User, request.user))
    form = DefinitionForm(request.POST or None, request.FILES or None, bot=bot)
    context: dict[str, Any] = {"form": form, "bot": bot}
    if form.is_valid():
        slug, saves = form.cleaned_data.get("slug", ""), "save" in request.POST and not form.cleaned_data["files"]
        try:
            definition = _definition(actor, form)
            report = import_definition(actor=actor, definition=definition, bot=bot, slug=slug, dry_run=not saves)
            if saves:
                return _done(request, report)
            upload = previews.seal(actor=actor, definition=definition)
            context |= {"report": report, "rows": list(rows(report)), "upload": upload}
        except DomainError as error:
            show_error(form, error, field=_field(error))
    return render(request, "servicenodes/definition.html", context, status=status_of(form))


def _definition(actor: Actor, form: DefinitionForm) -> BotDefinition:
    """The one just sent, else that of the step before."""
    if files := form.cleaned_data["files"]:
        return read_definition([(file.name or "file", file.read(MAX_BYTES + 1)) for file in files])
    return previews.unseal(actor=actor, token=form.cleaned_data["upload"])


def _field(error: DomainError) -> str | None:
    field = getattr(error, "field", None)
    return "files" if getattr(error, "code", "") == "preview_expired" else "slug" if field == "bot" else field


def rows(report: ImportReport) -> Iterator[dict[str, Any]]:
    """A row for each service node of the export: what becomes of it, and what a person should know."""
    named = [("info", "New", path, "") for path in report.created]
    named += [("info", "Changes", row.node, f"Changes: {', '.join(row.fields)}.") for row in report.updated]
    named += [("neutral", "Unchanged", path, "") for path in report.unchanged]
    outlooks = {row.node: row for row in report.nodes}
    for tone, word, path, text in named:
        told = [note for node, note in report.notes if node == path]
        names = [(says, name) for node, says, name in report.variables if node == path]
        notes = [*filter(None, [text]), *told]
        known = {"node": path.partition("/")[2], "outlook": outlooks[path]}
        yield {"tone": tone, "word": word, "notes": notes, "variables": names, **known}
    for left in report.definition.left_out:
        yield {"tone": "warning", "word": "Left out", "title": left.node, "notes": [left.why]}
    for path in report.gone:
        kept = "An earlier export had it, this one has not. It is kept; delete it if the bot does not call it any more."
        yield {"tone": "warning", "word": "Gone", "node": path.partition("/")[2], "notes": [kept]}


def _done(request: HttpRequest, report: ImportReport) -> HttpResponse:
    if not report.changed:
        messages.info(request, f"{report.bot} is as the export says already. Nothing was changed.")
        return redirect("servicenodes:bot", bot=report.bot)
    new, changed = len(report.created), len(report.updated)
    messages.success(request, f"Imported: {new} new service node{'' if new == 1 else 's'}, {changed} changed.")
    if missing := len(report.needs_url):
        one, many = "One service node needs a URL before it", f"{missing} service nodes need a URL before they"
        messages.warning(request, f"{one if missing == 1 else many} can be tested or called.")
    return redirect("servicenodes:bot", bot=report.bot)
