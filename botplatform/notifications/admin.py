"""The outbox in the Django admin: to read, never to change."""

from __future__ import annotations

from django.contrib import admin

from botplatform.accounts.admin_base import ReadOnlyModelAdmin
from botplatform.notifications.models import Delivery, WebhookEndpoint


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyModelAdmin[Delivery]):
    """Read-only, whatever the role."""

    list_display = ("created_at", "event", "title", "channel", "to", "state", "attempt", "note")
    list_filter = ("state", "channel", "event")
    list_select_related = ("endpoint",)
    search_fields = ("title", "recipient", "key")
    exclude = ("endpoint",)
    show_full_result_count = False


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyModelAdmin[WebhookEndpoint]):
    """Read-only. Neither the address, which may hold a token, nor the secret."""

    list_display = ("host", "bot", "created_by", "created_at")
    list_select_related = ("bot",)
    fields = ("host", "bot", "key_id", "created_by", "created_at")
