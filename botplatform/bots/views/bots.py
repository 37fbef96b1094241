"""Creating a bot, and the people of a bot."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from botplatform.accounts.actors import Actor
from botplatform.bots.access import require_permission
from botplatform.bots.forms import BotForm, MemberForm, RoleForm
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.bots.services.bots import create_bot
from botplatform.bots.services.people import add_member, change_member, remove_member
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError


@require_permission(Permission.BOT_CREATE)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new bot."""
    form = BotForm(request.POST or None)
    if form.is_valid():
        try:
            bot = create_bot(actor=Actor.of(request.user), **form.cleaned_data)  # type: ignore[arg-type]
        except DomainError as error:
            show_error(form, error, field="slug" if isinstance(error, Conflict) else None)
        else:
            messages.success(request, f"The bot “{bot.name}” exists. Next: import its client certificate.")
            return redirect("servicenodes:bot", bot=bot.slug)
    return render(request, "bots/create.html", {"form": form}, status=status_of(form))


@require_permission(Permission.VIEW)
@require_GET
def people(request: HttpRequest, bot: Bot) -> HttpResponse:
    """Who belongs to the bot, and in which role."""
    return _people(request, bot, MemberForm())


@require_permission(Permission.PEOPLE_MANAGE)
@require_POST
def add(request: HttpRequest, bot: Bot) -> HttpResponse:
    """Somebody joins the bot."""
    form = MemberForm(request.POST)
    if form.is_valid():
        user = form.cleaned_data["user"]
        try:
            add_member(actor=Actor.of(request.user), bot=bot, user=user, role=form.cleaned_data["role"])  # type: ignore[arg-type]
        except DomainError as error:
            show_error(form, error, field="user")
        else:
            messages.success(request, f"{user} now belongs to {bot.name}.")
            return redirect("bots:people", bot=bot.slug)
    return _people(request, bot, form)


@require_permission(Permission.PEOPLE_MANAGE)
@require_POST
def change(request: HttpRequest, bot: Bot, username: str) -> HttpResponse:
    """Another role for a member."""
    membership = get_object_or_404(bot.memberships.select_related("user", "bot"), user__username=username)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such role. Choose one from the list.")
    else:
        role = form.cleaned_data["role"]
        try:
            change_member(actor=Actor.of(request.user), membership=membership, role=role)  # type: ignore[arg-type]
        except Conflict as conflict:
            messages.error(request, conflict.text)
        else:
            messages.success(request, f"{username} is now {role.replace('_', ' ')} of {bot.name}.")
    return redirect("bots:people", bot=bot.slug)


@require_permission(Permission.PEOPLE_MANAGE)
@require_POST
def remove(request: HttpRequest, bot: Bot, username: str) -> HttpResponse:
    """Somebody leaves the bot."""
    membership = get_object_or_404(bot.memberships.select_related("user", "bot"), user__username=username)
    try:
        remove_member(actor=Actor.of(request.user), membership=membership)  # type: ignore[arg-type]
    except Conflict as conflict:
        messages.error(request, conflict.text)
    else:
        messages.success(request, f"{username} no longer belongs to {bot.name}.")
    return redirect("bots:people", bot=bot.slug)


def _people(request: HttpRequest, bot: Bot, form: MemberForm) -> HttpResponse:
    members = bot.memberships.select_related("user").order_by("user__username")
    context = {
        "bot": bot,
        "members": members,
        "form": form,
        "role_choices": RoleForm.base_fields["role"].choices,  # type: ignore[attr-defined]
        "may_manage": Permission.PEOPLE_MANAGE in request.permissions,  # type: ignore[attr-defined]
    }
    return render(request, "bots/people.html", context, status=status_of(form))
