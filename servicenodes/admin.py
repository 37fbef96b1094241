"""Service nodes in the Django admin, changed through the services; connection tests to look at."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from botplatform.accounts.actors import Actor
from botplatform.accounts.admin_base import ReadOnlyModelAdmin, ServiceModelAdmin
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services.nodes import change_node, create_node

EDITED = (
    *("name", "dialog", "slug", "method", "url", "headers", "body", "certificate"),
    *("trust_store", "server_name", "min_tls", "require_mutual_tls", "timeout_s"),
)


class ServiceNodeForm(forms.ModelForm[ServiceNode]):
    """Carries the revision that was read, so that a change of somebody else's meanwhile is not lost."""

    expected_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = ServiceNode
        fields = ("bot", *EDITED)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["expected_revision"] = self.instance.revision
        if "slug" in self.fields:  # not for those who only look
            self.fields["slug"].required = False  # made from the name


@admin.register(ServiceNode)
class ServiceNodeAdmin(ServiceModelAdmin[ServiceNode]):
    """Support staff fix data here; the service judges and records."""

    form = ServiceNodeForm
    list_display = ("path", "title", "method", "url", "certificate")
    list_filter = ("bot", "method", "min_tls")
    list_select_related = ("bot", "certificate__bot")
    search_fields = ("name", "slug", "dialog", "url", "bot__slug")

    def get_readonly_fields(self, request: HttpRequest, obj: ServiceNode | None = None) -> tuple[str, ...]:
        return ("bot",) if obj else ()

    def save_through_service(self, actor: Actor, obj: ServiceNode, form: Any, *, change: bool) -> ServiceNode:
        values = {field: form.cleaned_data[field] for field in EDITED}
        values["headers"] = values["headers"] or {}
        if change:
            expected = form.cleaned_data["expected_revision"] or obj.revision
            return change_node(actor=actor, node=obj, expected_revision=expected, **values)
        return create_node(actor=actor, bot=obj.bot, **values)

    def has_delete_permission(self, request: HttpRequest, obj: ServiceNode | None = None) -> bool:
        return False  # the console deletes a node, which takes the record of its tests along


@admin.register(ConnectionTest)
class ConnectionTestAdmin(ReadOnlyModelAdmin[ConnectionTest]):
    """What was tested, when, and what came out."""

    list_display = ("node", "requested_at", "requested_by", "verdict", "reason")
    list_filter = ("verdict", "requested_at")
    list_select_related = ("node__bot",)
    search_fields = ("node__name", "node__slug", "node__bot__slug", "target", "requested_by")
