"""Bots, their people and API tokens in the Django admin, through the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from botplatform.accounts.actors import Actor
from botplatform.accounts.admin_base import ReadOnlyModelAdmin, ServiceModelAdmin
from botplatform.bots.models import ApiToken, Bot, Membership
from botplatform.bots.services.bots import change_bot, create_bot
from botplatform.bots.services.people import add_member, change_member, remove_member


@admin.register(Bot)
class BotAdmin(ServiceModelAdmin[Bot]):
    """A bot keeps its slug, and is not deleted here: it owns certificates and audit rows name it."""

    fields = ("slug", "name", "created_at")
    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Bot | None = None) -> tuple[str, ...]:
        return ("slug", "created_at") if obj else ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Bot | None = None) -> bool:
        return False

    def save_through_service(self, actor: Actor, obj: Bot, form: Any, *, change: bool) -> Bot:
        values = form.cleaned_data
        if change:
            return change_bot(actor=actor, bot=obj, name=values["name"])
        return create_bot(actor=actor, slug=values["slug"], name=values["name"])


@admin.register(Membership)
class MembershipAdmin(ServiceModelAdmin[Membership]):
    """Who belongs to which bot. Only the role changes."""

    fields = ("bot", "user", "role")
    list_display = ("bot", "user", "role")
    list_filter = ("role",)
    list_select_related = ("bot", "user")
    search_fields = ("bot__slug", "user__username")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("bot", "user") if obj else ()

    def save_through_service(self, actor: Actor, obj: Membership, form: Any, *, change: bool) -> Membership:
        role = form.cleaned_data["role"]
        if change:
            return change_member(actor=actor, membership=obj, role=role)
        return add_member(actor=actor, bot=obj.bot, user=obj.user, role=role)

    def delete_through_service(self, actor: Actor, obj: Membership) -> None:
        remove_member(actor=actor, membership=obj)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyModelAdmin[ApiToken]):
    """Looks only, and never at the digest: tokens are made and revoked in the console or by command."""

    fields = (
        *("name", "prefix", "created_by", "permissions", "all_bots", "bots"),
        *("created_at", "expires_at", "last_used_at", "revoked_at"),
    )
    list_display = ("name", "prefix", "created_by", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix", "created_by__username")
