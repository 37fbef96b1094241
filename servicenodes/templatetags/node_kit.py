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
# Every reason of the closed lists, but for the verification errors, whose names are words already.
REASONS = {
    "proven": "Proven by the control attempt",
    "without_control": "No control attempt was made",
    "control_inconclusive": "The control attempt gave no clear answer",
    "same_without_certificate": "The same answer without a certificate",
    "canary_accepted": "A made-up certificate was accepted",
    "unknown_ca_or_missing_intermediate": "Unknown CA, or an intermediate is missing",
    "expired": "Expired",
    "revoked": "Revoked",
    "bad_certificate": "Bad certificate",
    "unsupported_certificate": "Unsupported kind of certificate",
    "certificate_required": "A certificate is required",
    "access_denied": "Access denied",
    "bad_signature": "The signature does not verify",
    "certificate_error": "No reason given",
    "silent_close": "Closed without a word",
    "unspecified": "An alert that does not say why",
    "http_401": "HTTP 401",
    "http_403": "HTTP 403",
    "never_asked": "The server never asked",
    "no_common_signature_algorithm": "No signature algorithm in common",
    "engine_refused": "The certificate cannot be used",
    "no_active_version": "No active version",
    "cannot_be_opened": "The key cannot be opened",
    "sealed": "The console is sealed",
    "tester_not_allowed": "The test is not allowed",
    "optional": "A certificate is optional",
    "asked": "The server asked",
    "name_not_covered": "The certificate is for other names",
    "no_common_parameters": "No TLS parameters in common",
    "no_common_version": "No TLS version in common",
    "no_application_protocol": "HTTP/1.1 is not offered",
    "unrecognized_name": "The server does not know this name",
    "other_protocol": "Another protocol",
    "address_not_allowed": "The address is not allowed",
    "silence": "The server said nothing",
    "not_http": "The answer is not HTTP",
    "broken_off": "Broken off",
    "answers_differ": "Different answers with and without",
    "out_of_order": "The server is out of order",
    "host_not_allowed": "Not among the allowed hosts",
    "busy": "All connections were busy",
    "too_slow": "Too slow",
    "too_large": "Too large",
    "dns_failed": "Name not found (DNS)",
    "refused": "Connection refused",
    "timeout": "No answer in time",
    "unreachable": "No network path",
    "reset": "Connection reset",
    "proxy_refused": "Refused by the proxy",
    "proxy_unreachable": "Proxy not reachable",
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
def reason_words(value: str) -> str:
    """The reason of a verdict in words; a verification error by its name."""
    return REASONS.get(value) or value.replace("_", " ").capitalize().replace(" ca ", " CA ")


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
