"""What is configured. Never a secret."""

from __future__ import annotations

import platform
from importlib.metadata import version

from cryptography.hazmat.backends.openssl import backend
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from botplatform.audit.models import AuditHead
from botplatform.bots.access import require_permission
from botplatform.bots.roles import Permission
from botplatform.jobs.duties import states
from botplatform.jobs.heartbeat import STALE_AFTER
from botplatform.jobs.models import WorkerHeartbeat
from certificates.services.state import key_states, sealed_reason

PACKAGES = ("Django", "cryptography", "pyOpenSSL")


@require_permission(Permission.PLATFORM_VIEW)
@require_GET
def settings_page(request: HttpRequest) -> HttpResponse:
    """The settings page of administrators and auditors."""
    context = {
        "sealed": sealed_reason(),
        "groups": (("Console", _console()), ("Keys", _keys()), ("Outgoing calls", _outgoing()), ("Mail", _mail())),
        "egress_allow": settings.EGRESS_ALLOW,
        "key_states": key_states(),
        "versions": _versions(),
        "duties": states(),
        "workers": WorkerHeartbeat.objects.filter(beat_at__gt=timezone.now() - STALE_AFTER),
        "head": AuditHead.objects.first(),
    }
    return render(request, "servicenodes/settings.html", context)


def _console() -> list[tuple[str, str, str]]:
    """Label, setting, value."""
    return [
        ("Address", "BASE_URL", settings.BASE_URL),
        ("Allowed hosts", "ALLOWED_HOSTS", ", ".join(settings.ALLOWED_HOSTS)),
        ("Debug", "DEBUG", "on" if settings.DEBUG else "off"),
        ("Time zone", "TIME_ZONE", settings.TIME_ZONE),
        ("Database", "DATABASE_URL", connection.vendor),
        ("Largest upload", "MAX_UPLOAD_KB", f"{settings.MAX_UPLOAD_KB} KB a file"),
        ("History is kept for", "KEEP_DAYS", f"{settings.KEEP_DAYS} days"),
        ("Log format", "LOG_FORMAT", settings.LOG_FORMAT),
    ]


def _keys() -> list[tuple[str, str, str]]:
    return [
        ("Key provider", "KEY_PROVIDER", settings.KEY_PROVIDER),
        ("Keyring file", "KEYRING_FILE", str(settings.KEYRING_FILE)),
    ]


def _outgoing() -> list[tuple[str, str, str]]:
    return [
        ("Proxy", "EGRESS_PROXY", "set" if settings.EGRESS_PROXY else "none"),
        ("Timeout of a test", "TEST_TIMEOUT_S", f"{settings.TEST_TIMEOUT_S} s"),
    ]


def _mail() -> list[tuple[str, str, str]]:
    printed = settings.EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend"
    return [
        ("Mail server", "EMAIL_URL", "none: mail is printed" if printed else settings.EMAIL_HOST),
        ("Sender", "MAIL_FROM", settings.DEFAULT_FROM_EMAIL),
        ("Security address", "SECURITY_EMAIL", settings.SECURITY_EMAIL or "none"),
    ]


def _versions() -> list[tuple[str, str]]:
    found = [(name, version(name)) for name in PACKAGES]
    return [("Python", platform.python_version()), *found, ("OpenSSL", backend.openssl_version_text())]
