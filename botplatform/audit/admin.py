"""The trail in the Django admin: to read, never to change."""

from __future__ import annotations

from django.contrib import admin

from botplatform.accounts.admin_base import ReadOnlyModelAdmin
from botplatform.audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyModelAdmin[AuditEvent]):
    """Read-only, whatever the role."""

    list_display = ("position", "at", "actor_name", "action", "object_type", "object_name")
    list_filter = ("action", "actor_kind", "object_type")
    search_fields = ("actor_name", "object_name", "object_id")
    show_full_result_count = False
