"""App configuration."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The console's kit."""

    name = "botplatform.console"
    label = "console"
    verbose_name = "Console"
