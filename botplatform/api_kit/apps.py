"""App configuration."""

from django.apps import AppConfig


class ApiKitConfig(AppConfig):
    """The shared parts of the HTTP API."""

    name = "botplatform.api_kit"
    label = "api_kit"
    verbose_name = "HTTP API"
