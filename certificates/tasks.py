"""What workers are told to do. The queue carries ids only, and names the service by its path, as URLs name views."""

from __future__ import annotations

import uuid

from django.utils.module_loading import import_string
from django_tasks import task


@task()
def run_renewal(certificate_id: str) -> None:
    """Look at the renewal of a certificate and take it as far as it goes. Told twice, one of them does it."""
    import_string("certificates.services.renewing.run_renewal")(uuid.UUID(certificate_id))
