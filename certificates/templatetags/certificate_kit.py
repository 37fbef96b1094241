"""Components that show certificates. Each has one template, one entry on the pattern page and one rendering test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography import x509
from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from botplatform.bots.models import Bot
from botplatform.console.templatetags.kit import status
from certificates.errors import BundleError
from certificates.pki import display
from certificates.pki import facts as pki_facts
from certificates.pki.link_checks import Link, check_links

register = template.Library()

FACTS = (
    "subject",
    "issuer",
    "serial",
    "sha256",
    "not_before",
    "not_after",
    "key_type",
    "key_bits",
    "signature_algorithm",
    "eku",
    "san",
)
VERSION_TONES = {"active": "ok", "staged": "info", "draft": "info", "retired": "neutral", "destroyed": "neutral"}


def facts_of(certificate: Any) -> dict[str, Any]:
    """The facts of anything that describes a certificate: a row, inspected facts, an entry of a report."""
    if isinstance(certificate, dict):
        facts = {name: certificate.get(name) for name in FACTS}
        key = certificate.get("key") or {}
        facts["key_type"] = facts["key_type"] or key.get("type")
        facts["key_bits"] = facts["key_bits"] or key.get("bits")
    else:
        facts = {name: getattr(certificate, name, None) for name in FACTS}
    facts["key"] = display.key_label(facts["key_type"], facts["key_bits"] or 0) if facts["key_type"] else None
    facts["signature"] = display.signature_label(facts["signature_algorithm"] or "")
    return facts


@register.filter
def common_name(name: str | None) -> str:
    """What people call the holder of an RFC 4514 name."""
    return display.short_name(name or "")


@register.filter
def key_kind(kind: str) -> str:
    """What people call a key that can be made."""
    return display.kind_label(kind)


@register.filter
def serial(value: str | None) -> str:
    """A serial number in hexadecimal with colons, as other tools print it."""
    return display.serial(value or "")


@register.inclusion_tag("components/certificate_facts.html")
def certificate_facts(certificate: Any) -> dict[str, Any]:
    """One certificate's public facts. Of a stored one, also those that have no column."""
    return facts_of(certificate) | _unstored(certificate)


def _unstored(row: Any) -> dict[str, Any]:
    """What stands only in the certificate itself; nothing for what is no row with one."""
    der = getattr(row, "leaf_der", None) or getattr(row, "der", None)
    if not der or hasattr(row, "san"):
        return {}
    try:
        read = pki_facts.facts_of(x509.load_der_x509_certificate(bytes(der)), "it")
    except (ValueError, BundleError):  # an odd one that somebody insisted on: the page shows the rest
        return {}
    return {"signature": display.signature_label(read.signature_algorithm), "eku": read.eku, "san": read.san}


@register.inclusion_tag("components/chain_picture.html")
def chain_picture(
    leaf: Any, intermediates: Iterable[Any], root: Any = None, missing: bool = False, server: bool = False
) -> dict[str, Any]:
    """The chain from the leaf up to the root; the root is not sent. `missing` draws the gap below the root."""
    intermediates = list(intermediates)
    links = [{"role": "Server" if server else "Leaf", "kind": "leaf", **facts_of(leaf)}] if leaf else []
    links += [{"role": "Intermediate", "kind": "intermediate", **facts_of(link)} for link in intermediates]
    if missing:
        links.append({"role": "Missing", "kind": "missing", "issuer": links[-1]["issuer"] if links else ""})
    if root:
        links.append({"role": "Root", "kind": "root", **facts_of(root)})
    for link, checks in zip(links, _checks([leaf, *intermediates, root]), strict=False):
        link["checks"] = checks
    return {"links": links}


def _checks(chain: Iterable[Any]) -> tuple[Link, ...]:
    """What was checked of each link; nothing for certificates of which only facts are known."""
    ders = [bytes(der) for one in chain if one and (der := getattr(one, "leaf_der", None) or getattr(one, "der", b""))]
    try:
        return check_links(ders, now=timezone.now())
    except ValueError:
        return ()


@register.inclusion_tag("components/version_chain.html")
def version_chain(version: Any) -> dict[str, Any]:
    """The chain of a stored version. Needs `chain` loaded."""
    stored = list(version.chain.all())
    codes = {finding.get("code") for finding in version.findings}
    return {
        "leaf": version,
        "intermediates": [link for link in stored if link.role == "intermediate"],
        "root": next((link for link in stored if link.role == "root"), None),
        "missing": "missing_intermediate" in codes,
    }


@register.inclusion_tag("components/version_timeline.html")
def version_timeline(timeline: Any) -> dict[str, Any]:
    """Versions in time, as `certificates.views.lifelines` places them."""
    return {"timeline": timeline, "axis": timeline.height - 20 if timeline else 0}


@register.inclusion_tag("components/status.html")
def version_status(value: str) -> dict[str, str]:
    """The status of a version."""
    return status(VERSION_TONES.get(value, "neutral"), value)


@register.simple_tag
def owned_url(name: str, bot: Bot | None, *arguments: str | int) -> str | SafeString:
    """The URL of something a bot or the platform owns: `certificates:import` or `certificates:platform_import`."""
    if bot is None:
        app, _, route = name.partition(":")
        return reverse(f"{app}:platform_{route}", args=arguments)
    return reverse(name, args=[bot.slug, *arguments])


@register.filter
def worrying(findings: list[dict[str, Any]]) -> bool:
    """True if one of a version's findings is more than a note."""
    return any(finding["severity"] != "info" for finding in findings)


@register.filter
def has_finding(inspection: Any, code: str) -> bool:
    """True if the inspection has the finding `code`."""
    return any(finding.code == code for finding in inspection.findings)
