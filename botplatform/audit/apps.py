"""App configuration."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The audit trail."""

    name = "botplatform.audit"
    label = "audit"
    verbose_name = "Audit trail"
