"""What a certificate's page says about its renewal."""

from __future__ import annotations

from typing import Any

from certificates.issuer_models import RenewalPolicy
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus
from certificates.services.renewing import due_from


def renewal_of(certificate: ClientCertificate, versions: list[CertificateVersion]) -> dict[str, Any]:
    """What `_renewal.html` shows. `versions` are the certificate's. One query."""
    policies = RenewalPolicy.objects.select_related("issuer__bot", "draft")
    policy = policies.filter(certificate=certificate).first()
    active = next((version for version in versions if version.status == VersionStatus.ACTIVE), None)
    by_issuer = policy is not None and policy.issuer is not None
    return {
        "policy": policy,
        "by_issuer": by_issuer,
        "due_from": due_from(policy, active) if policy and by_issuer and active else None,
        "is_staged": any(version.status == VersionStatus.STAGED for version in versions),
        "may_renew": by_issuer and active is not None,
    }
