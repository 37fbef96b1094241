"""The servers' own certificates, as tests see them: noted with each test, and watched for their expiry."""

from __future__ import annotations

from django.utils import timezone

from botplatform.console import moments
from botplatform.notifications.reminders import HORIZON
from botplatform.notifications.services.reminding import remind
from certificates.endings import until
from servicenodes.models import ConnectionTest, ServerCertificate
from servicenodes.server_endings import of_server_certificates


def note(test: ConnectionTest) -> None:
    """Remember the leaf that the server presented in a finished test, if it presented one."""
    chain = ((test.report or {}).get("server") or {}).get("chain") or []
    times = [moments.parse(chain[0][name]) for name in ("not_before", "not_after")] if chain else []
    if not chain or not all(times):
        return
    values = {
        "target": test.target,
        "subject": chain[0]["subject"],
        "sha256": chain[0]["sha256"],
        "not_before": times[0],
        "not_after": times[1],
        "seen_at": test.finished_at,
    }
    ServerCertificate.objects.update_or_create(node_id=test.node_id, defaults=values)


def watch_server_certificates() -> int:
    """Remind of server certificates that end. A duty. Returns how many reminders were posted."""
    now = timezone.now()
    return remind(of_server_certificates(until(ServerCertificate.objects.all(), now + HORIZON, now)), now=now)
