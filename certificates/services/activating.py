"""How a version becomes the active or the staged one. The import and the rotation share it; both hold the locks.

This app does not know which nodes present a certificate. Who does is told by two signals, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Max
from django.dispatch import Signal
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from certificates.models import CertificateVersion, VersionStatus
from certificates.services import defaults

# Before a promotion: `version`, and `insisted`, whether the actor gave a reason or forces it. Receivers answer with a
# sentence for the record on what is proven of the version, or raise `Conflict`.
promoting = Signal()
# After another version became active: `actor`, `version`, `before` (the number of the one that was, or None), and
# `undone`, whether it was a rollback.
switched = Signal()


@contextmanager
def taking_place(
    actor: Actor, version: CertificateVersion, status: VersionStatus, *, undone: bool = False
) -> Iterator[int | None]:
    """Give the version, which the body saves and puts on record, a status that one at a time has.

    Whoever had it is retired, and the body gets its number. Becoming active starts a turn, unless a rollback goes
    back to a version (`undone`), which continues its own; and whatever made it active, those are told who act on it.
    """
    before = _make_room(version, status)
    if status == VersionStatus.ACTIVE and not undone:
        last = CertificateVersion.objects.filter(certificate=version.certificate).aggregate(last=Max("turn"))["last"]
        version.turn = (last or 0) + 1
    yield before
    if status == VersionStatus.ACTIVE:
        _tell(actor, version, before, undone=undone)


def _make_room(version: CertificateVersion, status: VersionStatus) -> int | None:
    others = CertificateVersion.objects.filter(certificate=version.certificate, status=status).exclude(pk=version.pk)
    before = others.values_list("number", flat=True).first()
    others.update(status=VersionStatus.RETIRED)
    version.status = status
    return before


def promote(actor: Actor, version: CertificateVersion, facts: dict[str, object]) -> int | None:
    """Make a stored version the active one, on record. Returns the number of the one that was."""
    with taking_place(actor, version, VersionStatus.ACTIVE) as before:
        version.save(update_fields=["status", "turn"])
        facts = {"version": version.number, "before": before, **facts}
        defaults.record(actor, Action.VERSION_PROMOTED, version.certificate, facts)
    return before


def _tell(actor: Actor, version: CertificateVersion, before: int | None, *, undone: bool) -> None:
    """Another version is active now. A promotion opens the certificate's fallback window, a rollback closes it."""
    certificate = version.certificate
    opens = certificate.fallback_days and before is not None and not undone
    certificate.fallback_until = timezone.now() + timedelta(days=certificate.fallback_days) if opens else None
    certificate.save(update_fields=["fallback_until"])
    switched.send(sender=CertificateVersion, actor=actor, version=version, before=before, undone=undone)
