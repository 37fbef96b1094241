"""What a new version means for what is there: whose place it takes, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptography import x509
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from certificates.errors import BundleError
from certificates.lookup import visible_bots
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.pki import succession
from certificates.pki.facts import facts_of
from certificates.pki.findings import FindingCode
from certificates.pki.inspection import CertificateFacts, Finding, Inspection
from certificates.services.foreseeing import served_by_default
from certificates.services.storing import next_number

# What nobody but a person should let pass: a renewal is expected to keep the names and to last longer.
HOLDING = frozenset({FindingCode.SUBJECT_CHANGED, FindingCode.NAMES_MISSING, FindingCode.EXPIRES_EARLIER})


@dataclass(frozen=True, slots=True)
class Succession:
    """A certificate of this name is there: what an import adds to it.

    `active` is the version whose place would be taken; `nodes` how many present it, `hidden` of them in bots that the
    actor may not open.
    """

    certificate: ClientCertificate
    active: CertificateVersion | None
    number: int
    nodes: int
    hidden: int

    @property
    def key(self) -> str:
        """What a page told, for the next step to compare."""
        return f"{self.certificate.pk}/{self.number}"

    @property
    def text(self) -> str:
        """What saving means, for people."""
        place = f" and takes the place of version {self.active.number}" if self.active else ""
        hidden = f" ({self.hidden} of them in bots you may not open)" if self.hidden else ""
        who = "1 service node presents" if self.nodes == 1 else f"{self.nodes} service nodes present"
        use = (
            f"{who} it from then on{hidden}, unless you only stage it."
            if self.nodes
            else "No service node presents it."
        )
        return f"{self.certificate.path} is there already: this becomes its version {self.number}{place}. {use}"


def successor_of(*, actor: Actor, owner: Bot | None, name: str) -> Succession | None:
    """What a new version of the certificate `name` would follow; None if there is no such certificate."""
    certificate = ClientCertificate.objects.of_owner(owner).filter(name=name).select_related("bot").first()
    if certificate is None:
        return None
    default = served_by_default(actor, owner) if certificate.is_default else None
    attached = certificate.service_nodes.count()
    visible = certificate.service_nodes.filter(bot__in=visible_bots(actor)).count()
    return Succession(
        certificate,
        _active(certificate),
        next_number(certificate),
        nodes=attached + (default.count if default else 0),
        hidden=attached - visible + (default.hidden if default else 0),
    )


def judged(
    inspection: Inspection, certificate: ClientCertificate | None, *, draft: CertificateVersion | None = None
) -> Inspection:
    """The inspection, with what its leaf changes against the active version of the certificate.

    Where none is active: against the `draft`, the open request that it answers.
    """
    leaf, active = inspection.leaf, _active(certificate) if certificate is not None else None
    if leaf is None:
        return inspection
    if active is not None:
        found = _against(active, leaf)
    else:
        found = succession.changes_of_request(draft.subject, leaf) if draft is not None else ()
    return replace(inspection, findings=(*inspection.findings, *found))


def _against(active: CertificateVersion, leaf: CertificateFacts) -> tuple[Finding, ...]:
    try:
        before = facts_of(x509.load_der_x509_certificate(bytes(active.leaf_der)), f"version {active.number}")
    except (ValueError, BundleError):  # what cannot be read any more must not keep its successor out
        return ()
    return succession.changes(before, leaf, number=active.number, now=timezone.now())


def holding(version: CertificateVersion) -> list[str]:
    """Why a version should not be promoted without a person, in sentences: what it was found to change."""
    return [str(found["text"]) for found in version.findings if found["code"] in HOLDING]


def _active(certificate: ClientCertificate) -> CertificateVersion | None:
    found: CertificateVersion | None = certificate.versions.filter(status=VersionStatus.ACTIVE).first()
    return found
