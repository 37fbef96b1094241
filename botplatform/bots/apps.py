"""App configuration."""

from django.apps import AppConfig


class BotsConfig(AppConfig):
    """Bots and their people."""

    name = "botplatform.bots"
    label = "bots"
    verbose_name = "Bots"
