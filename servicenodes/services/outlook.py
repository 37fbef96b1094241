"""What the service nodes of an import will call, and with which certificate, before anybody tests them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from certificates.models import ClientCertificate
from servicenodes.effective import effective_certificates
from servicenodes.models import ServiceNode
from servicenodes.resolution import Effective, Rule
from servicenodes.services.requests import ProbeOptions, hosts_of

CHOSEN = {
    Rule.NODE: "attached to it",
    Rule.BOT: "the bot’s default",
    Rule.PLATFORM: "the platform’s default",
    Rule.NONE: "no certificate is attached, and there is no default",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """One node. `certificate` is the effective one by its path, `rule` chose it; `hindrance` keeps it from being
    presented."""

    node: str
    title: str
    method: str
    url: str
    exported_url: str  # what the definition says in place of a URL
    certificate: str | None
    rule: Rule
    hindrance: str

    @property
    def call(self) -> str:
        """Method and URL."""
        return f"{self.method} {self.url or self.exported_url}"

    @property
    def presents(self) -> str:
        """What it will present, to follow “will present”."""
        if self.certificate is None:
            return f"nothing: {CHOSEN[self.rule]}"
        named = f"{self.certificate} ({CHOSEN[self.rule]})"
        if self.hindrance:
            return f"nothing: {named} {self.hindrance}"
        return named if self.url else f"{named} once it has a URL"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"rule": self.rule.value}


def foresee(nodes: Sequence[ServiceNode]) -> list[Outlook]:
    """What each will do. Two queries in all."""
    effective = effective_certificates(nodes)
    return [_outlook(node, effective[node.pk]) for node in nodes]


def _outlook(node: ServiceNode, effective: Effective[ClientCertificate]) -> Outlook:
    certificate = effective.certificate
    return Outlook(
        node=node.path,
        title=node.title,
        method=node.method,
        url=node.url,
        exported_url=node.exported_url,
        certificate=certificate.path if certificate else None,
        rule=effective.rule,
        hindrance=_hindrance(node, certificate) if certificate else "",
    )


def _hindrance(node: ServiceNode, certificate: ClientCertificate) -> str:
    if certificate.active_version is None:
        return "has no active version"
    hosts = hosts_of(node.url, node, ProbeOptions()) if node.url else ()
    refused = next((host for host in hosts if not certificate.may_go_to(host)), "")
    return f"may not be presented to {refused}" if refused else ""
