"""Renewals that are promoted by themselves: tested on every node that presents the certificate, if all is green.

A duty. The certificate's renewal says “promote when all tests are green”; what somebody staged by hand is left alone.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.crashes import crashes_told
from botplatform.errors import DomainError
from certificates.issuer_models import RenewalPolicy
from certificates.models import CertificateVersion, VersionStatus
from certificates.services import renewal_notices, succession
from certificates.services.defaults import lock_certificate
from certificates.services.renewal_policies import forget_staged, note_standing
from certificates.services.rotation import promote
from servicenodes.comparison import Outcome
from servicenodes.services.proofs import Evidence, evidence_for
from servicenodes.services.proving import compare_versions

TRY_AGAIN = timedelta(hours=6)  # backends follow at their own pace
ACCEPTING = frozenset({Outcome.WORKS, Outcome.FIXED})
NO_NODE = "No service node presents this certificate, so nothing can be tested: promote the new version by hand."
NO_PROOF = "No server asked for the new version, so nothing is proven: promote it by hand."


def promote_proven() -> int:
    """Compare what waits, and promote what is proven. Returns how many were promoted."""
    policies = RenewalPolicy.objects.to_promote().select_related("certificate__bot", "staged")
    return sum(_take_further(policy) for policy in policies)


def _take_further(policy: RenewalPolicy) -> bool:
    version = policy.staged
    if version is None or version.status != VersionStatus.STAGED:
        forget_staged(policy)
        return False
    version.certificate = policy.certificate
    try:
        with crashes_told("The promotion", certificate=policy.certificate.path):
            return _judge(policy, version, evidence_for(version))
    except DomainError as error:
        note_standing(policy, error.text)
        return False


def _judge(policy: RenewalPolicy, version: CertificateVersion, evidence: Evidence) -> bool:
    """Whether it was promoted."""
    actor = Actor.platform()
    if not evidence.rows:
        note_standing(policy, NO_NODE)
    elif evidence.live:
        pass
    elif evidence.green and any(row.difference.outcome in ACCEPTING for row in evidence.rows):
        if changed := succession.holding(version):
            note_standing(policy, f"All tests are green, but look at it before you promote it: {' '.join(changed)}")
            return False
        _promote(actor, policy, version)
        return True
    elif _is_due(evidence):
        compare_versions(actor=actor, certificate=policy.certificate, number=version.number)
    else:
        note_standing(policy, NO_PROOF if evidence.green else f"Not promoted: {evidence.text}")
    return False


@transaction.atomic
def _promote(actor: Actor, policy: RenewalPolicy, version: CertificateVersion) -> None:
    """Locks certificate, policy and audit trail in the order in which all do."""
    certificate = lock_certificate(policy.certificate)
    forget_staged(policy)
    promote(actor=actor, certificate=certificate, number=version.number)
    renewal_notices.tell_promoted(policy, version)


def _is_due(evidence: Evidence) -> bool:
    last = evidence.comparison
    return last is None or timezone.now() - last.requested_at >= TRY_AGAIN
