"""The trail in the Django admin: to read, never to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from botplatform.audit.models import AuditEvent

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[AuditEvent]
else:
    _Admin = admin.ModelAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(_Admin):
    """Read-only, whatever the role."""

    list_display = ("position", "at", "actor_name", "action", "object_type", "object_name")
    list_filter = ("action", "actor_kind", "object_type")
    search_fields = ("actor_name", "object_name", "object_id")
    actions = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
