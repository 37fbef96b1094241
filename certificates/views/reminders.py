"""Who was told of a certificate's expiry, and what comes next, for the certificate's page."""

from __future__ import annotations

from django.utils import timezone

from botplatform.accounts.models import User
from botplatform.notifications.services.reminding import Plan, plans
from certificates import endings
from certificates.models import ClientCertificate


def plans_of(viewer: User, certificate: ClientCertificate) -> list[Plan]:
    """The schedule of its leafs and their issuers."""
    now = timezone.now()
    return plans(endings.of_certificate(certificate, now), viewer=viewer, now=now)
