"""App configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """What is told to whom."""

    name = "botplatform.notifications"
    label = "notifications"
    verbose_name = "Notifications"
