"""App configuration."""

from django.apps import AppConfig


class ServiceNodesConfig(AppConfig):
    """Service nodes and connection tests."""

    name = "servicenodes"
    verbose_name = "Service nodes"

    def ready(self) -> None:
        from servicenodes import checks  # noqa: F401 - registers them
