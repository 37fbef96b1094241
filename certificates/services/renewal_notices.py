"""What people are told about renewals by issuers."""

from __future__ import annotations

from datetime import datetime

from botplatform.notifications.services.outbox import post
from certificates.issuer_models import RenewalPolicy
from certificates.models import CertificateVersion

ATTEMPTS = 3  # a CA that is away for a moment is no news


def tell_staged(policy: RenewalPolicy, version: CertificateVersion) -> None:
    """A renewal waits to be promoted. Call it in the transaction that ends the renewal."""
    certificate = policy.certificate
    after = (
        "It is promoted when its tests are green on every node that presents the certificate."
        if policy.auto_promote
        else "Test it on every node that presents the certificate, then promote it."
    )
    post(
        event="certificate.renewed",
        key=f"renewed:{version.pk}",
        bot=certificate.bot,
        title=f"{certificate.path}: version {version.number} is signed and staged",
        text=f"It is valid until {version.not_after:%Y-%m-%d %H:%M} UTC. {after}",
        link=certificate.get_absolute_url(),
        data={"certificate": certificate.path, "version": version.number, "not_after": version.not_after.isoformat()},
    )


def tell_promoted(policy: RenewalPolicy, version: CertificateVersion) -> None:
    """Nobody pressed a button: the renewal is presented from now on. Call it in the transaction that promotes."""
    certificate = policy.certificate
    post(
        event="certificate.promoted",
        key=f"promoted-by-itself:{version.pk}",
        bot=certificate.bot,
        title=f"{certificate.path}: version {version.number} was promoted by itself",
        text="All its tests were green, so calls present it from now on. The service nodes are tested again after a "
        "minute. You can roll back on the certificate’s page.",
        link=certificate.get_absolute_url(),
        data={"certificate": certificate.path, "version": version.number, "not_after": version.not_after.isoformat()},
    )


def tell_failed(policy: RenewalPolicy, active: CertificateVersion, *, error: str, attempt: int, now: datetime) -> None:
    """A renewal keeps failing: told once (and again after `KEEP_DAYS`), and when a sixth of the lifetime is left."""
    certificate = policy.certificate
    late = active.not_after - now <= (active.not_after - active.not_before) / 6
    if attempt < ATTEMPTS and not late:
        return
    days = max(0, (active.not_after - now).days)
    post(
        event="certificate.renewal_failed",
        key=f"renewal-failed:{active.pk}:{'late' if late else 'first'}",
        bot=certificate.bot,
        title=f"{certificate.path} could not be renewed; it expires in {days} day{'' if days == 1 else 's'}",
        text=f"{error} It is tried again. What it is renewed by and when: on the certificate’s page.",
        link=certificate.get_absolute_url(),
        data={"certificate": certificate.path, "attempt": attempt, "not_after": active.not_after.isoformat()},
        urgent=late,
    )
