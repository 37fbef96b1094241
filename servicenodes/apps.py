"""App configuration."""

from django.apps import AppConfig


class ServiceNodesConfig(AppConfig):
    """Service nodes and connection tests."""

    name = "servicenodes"
    verbose_name = "Service nodes"

    def ready(self) -> None:
        from certificates.services.activating import promoting, switched
        from servicenodes import checks  # noqa: F401 - registers them
        from servicenodes.services import alarms, proving

        promoting.connect(proving.guard_promotion)
        switched.connect(proving.plan_retest)
        switched.connect(alarms.close_superseded)
