"""App configuration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Background work."""

    name = "botplatform.jobs"
    label = "jobs"
    verbose_name = "Jobs"
