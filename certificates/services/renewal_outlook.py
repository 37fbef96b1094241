"""How the renewal of a certificate stands, for its page and the HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certificates.issuer_models import CertificateIssuer, RenewalPolicy
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services.renewing import due_from


@dataclass(frozen=True, slots=True)
class Renewal:
    """The policy, if there is one; the issuer, if it names one; and since or from when the active version is due.

    `request`: the number of the newest open request, where no version is active and the issuer could sign it.
    """

    policy: RenewalPolicy | None
    issuer: CertificateIssuer | None
    due_from: datetime | None
    request: int | None = None

    @property
    def phase(self) -> str:
        """What is being done about it now: `waits` for a worker, `signing`, `testing` before its promotion; or nothing.

        After a failure the next attempt takes its time, and nobody need watch.
        """
        policy = self.policy
        if policy is None or self.issuer is None or policy.error:
            return ""
        if policy.draft is not None and policy.draft.status == VersionStatus.DRAFT:
            return "signing"
        if policy.asked_by:
            return "waits"
        staged = policy.staged is not None and policy.staged.status == VersionStatus.STAGED
        return "testing" if staged and policy.auto_promote and not policy.standing else ""

    @property
    def may_be_asked_for(self) -> bool:
        return self.due_from is not None or (self.request is not None and not self.phase)


def renewal_of(certificate: ClientCertificate, versions: Sequence[CertificateVersion]) -> Renewal:
    """How it stands. `versions` are the certificate's, or at least the active one and the drafts. One query."""
    policies = RenewalPolicy.objects.select_related("issuer__bot", "draft", "staged")
    policy = policies.filter(certificate=certificate).first()
    issuer = policy.issuer if policy else None
    if policy is None or issuer is None:
        return Renewal(policy, issuer, None)
    active = next((version for version in versions if version.status == VersionStatus.ACTIVE), None)
    drafts = [version.number for version in versions if version.status == VersionStatus.DRAFT]
    request = max(drafts, default=None) if active is None else None
    return Renewal(policy, issuer, due_from(policy, active) if active else None, request)
