"""Components that show verdicts, effective certificates and the timeline. Each has a template, a pattern and a test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from botplatform.console.templatetags.kit import status
from certificates.models import ClientCertificate
from servicenodes.resolution import Effective
from servicenodes.timeline import TimelineStep

register = template.Library()

# Every verdict of the closed list: tone, and the words on the badge.
VERDICTS = {
    "accepted": ("ok", "Accepted"),
    "accepted_not_enforced": ("warning", "Accepted, not enforced"),
    "accepted_any_certificate": ("warning", "Accepts any certificate"),
    "rejected": ("error", "Rejected"),
    "http_refused": ("error", "Refused over HTTP"),
    "not_requested": ("warning", "Not requested"),
    "certificate_not_sent": ("error", "Certificate not sent"),
    "certificate_unusable": ("error", "Certificate unusable"),
    "no_certificate": ("error", "No certificate"),
    "server_untrusted": ("error", "Server untrusted"),
    "hostname_mismatch": ("error", "Host name mismatch"),
    "protocol_mismatch": ("error", "Protocol mismatch"),
    "not_tls": ("error", "Not TLS"),
    "network_error": ("error", "Network error"),
    "address_denied": ("error", "Address denied"),
    "inconclusive": ("warning", "Inconclusive"),
}
SOURCES = {
    "node": "the service node",
    "bot": "the bot’s default",
    "platform": "the platform’s default",
    "option": "whoever asked for the test",
}
STATES = {
    "queued": ("info", "Waiting"),
    "running": ("running", "Running"),
    "interrupted": ("error", "Interrupted"),
}


@register.inclusion_tag("components/status.html")
def verdict(value: str | None) -> dict[str, str]:
    """The badge of a verdict; without one: never tested."""
    if not value:
        return status("neutral", "Never tested")
    tone, words = VERDICTS.get(value, ("neutral", value.replace("_", " ")))
    return status(tone, words)


@register.inclusion_tag("components/status.html")
def test_status(test: Any) -> dict[str, str]:
    """The badge of one test: its verdict, or where it is."""
    return verdict(test.verdict) if test.verdict else run_state(str(test.state))


@register.inclusion_tag("components/status.html")
def run_state(value: str) -> dict[str, str]:
    """The badge of a test that has no verdict yet."""
    tone, words = STATES.get(value, ("neutral", value))
    return status(tone, words)


@register.filter
def verdict_tone(value: str) -> str:
    """The tone of a verdict, for the frame around it."""
    return VERDICTS.get(value, ("neutral", ""))[0]


@register.inclusion_tag("components/effective.html")
def effective_certificate(effective: Effective[ClientCertificate], reason: bool = True) -> dict[str, Any]:
    """What a node will present and the rule that chose it; with `reason`, as a sentence."""
    rules = {"node": "attached", "bot": "bot’s default", "platform": "platform’s default"}
    return {
        "certificate": effective.certificate,
        "rule": rules.get(effective.rule.value, ""),
        "reason": effective.reason if reason else "",
    }


@register.filter
def source_words(source: str) -> str:
    """Who chose the certificate of a report, in words."""
    return SOURCES.get(source, "nobody: none is effective")


@register.inclusion_tag("components/step_timeline.html")
def step_timeline(steps: Iterable[TimelineStep]) -> dict[str, Any]:
    """The steps of a test."""
    return {"steps": list(steps)}
