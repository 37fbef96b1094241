"""What workers are told to do. The queue carries ids only, and names the service by its path, as URLs name views."""

from __future__ import annotations

import uuid

from django.utils.module_loading import import_string
from django_tasks import task


@task()
def run_connection_test(test_id: str) -> None:
    """Run a queued connection test. Told twice, it runs once."""
    import_string("servicenodes.services.probing.run_test")(uuid.UUID(test_id))
