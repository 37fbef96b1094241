"""The pattern page: every component of the kit once, with made-up data."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from botplatform.bots.access import require_permission
from botplatform.bots.roles import Permission
from certificates.models import CertificateVersion
from certificates.views.lifelines import Lifelines, lifelines
from servicenodes.resolution import Effective, Rule
from servicenodes.templatetags.node_kit import VERDICTS
from servicenodes.timeline import timeline

FINDINGS = [
    {
        "code": "client_auth_missing",
        "severity": "error",
        "text": "The certificate does not allow client authentication.",
    },
    {"code": "expires_soon", "severity": "warning", "text": "The certificate expires within 30 days."},
    {"code": "no_root", "severity": "info", "text": "The root is not in the files; nobody needs it there."},
]
STEPS: list[dict[str, Any]] = [
    {"name": "resolve", "status": "ok", "detail": "api.bank.example is 192.0.2.7", "ms": 1.2},
    {"name": "connect", "status": "ok", "detail": "Port 443 answered", "ms": 8.4},
    {"name": "server_hello", "status": "warning", "detail": "TLS 1.2, although 1.3 is offered", "ms": 9.0},
    {"name": "server_certificate", "status": "failed", "detail": "It expired yesterday", "ms": 0.8},
    {"name": "certificate_request", "status": "skipped", "detail": "", "ms": None},
]


class Shown(NamedTuple):
    """A made-up certificate that has no page: its link leads to the list."""

    path: str
    get_absolute_url: str


class PatternForm(forms.Form):
    """One field of each kind. The page opens at its top all the same."""

    opens = False
    name = forms.CharField(help_text="Help stands below the field.")
    method = forms.ChoiceField(choices=[("GET", "GET"), ("POST", "POST")], required=False)
    insist = forms.BooleanField(required=False, label="Insist on it")
    wrong = forms.CharField(label="A field with an error", required=True)


@require_permission(Permission.CONSOLE)
@require_GET
def patterns(request: HttpRequest) -> HttpResponse:
    """What the kit holds, for whoever builds a page."""
    now = timezone.now()
    form = PatternForm({"name": "Get balance", "wrong": ""})
    form.errors.pop("name", None)
    shown = Shown("platform/shared", reverse("certificates:list"))
    context = {
        "tones": ["ok", "warning", "error", "info", "neutral", "skipped", "running"],
        "verdicts": list(VERDICTS),
        "findings": FINDINGS,
        "steps": timeline(STEPS, finished=True),
        "running": timeline(STEPS[:2], finished=False),
        "moments": [now - timedelta(days=3), now + timedelta(days=12), now + timedelta(days=300), None],
        "expiries": [
            (date(2026, month, 1), {"leafs": month % 4 * 3, "roots": month % 3 // 2}) for month in range(1, 13)
        ],
        "lifelines": _lifelines(),
        "leaf": _facts("CN=acme-bot,O=Acme", "CN=Bank issuing CA", 12),
        "intermediates": [_facts("CN=Bank issuing CA", "CN=Bank root", 900)],
        "root": _facts("CN=Bank root", "CN=Bank root", 4000),
        "effective": [Effective(shown, rule) for rule in Rule if rule is not Rule.NONE],
        "nothing": Effective(None, Rule.NONE),
        "sample": form,
        "page": Paginator(range(120), 50).get_page(2),
    }
    return render(request, "servicenodes/patterns.html", context)


def _lifelines() -> Lifelines | None:
    """Two made-up versions, one after the other."""
    now, month = timezone.now(), timedelta(days=30)
    old, new = (
        CertificateVersion(number=number, status=status, leaf_der=b"-", not_before=begin, not_after=begin + 6 * month)
        for number, status, begin in ((1, "retired", now - 7 * month), (2, "active", now - 3 * month))
    )
    return lifelines([new, old], {1: [(now - 7 * month, now - 2 * month)], 2: [(now - 2 * month, None)]}, now)


def _facts(subject: str, issuer: str, days: int) -> dict[str, object]:
    """A made-up certificate, as in a report."""
    now = timezone.now()
    return {
        "subject": subject,
        "issuer": issuer,
        "serial": "3f9a12c4",
        "sha256": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
        "not_before": now - timedelta(days=100),
        "not_after": now + timedelta(days=days),
        "key": {"type": "rsa", "bits": 2048},
        "eku": ["clientAuth"],
        "san": ["acme-bot.example"],
    }
