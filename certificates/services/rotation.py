"""A version's life after it was stored: staged → active → retired → destroyed, and back by a rollback.

Whoever was active is retired in the same transaction, so exactly one version is presented at every instant. Calls
look up the active version each time: the next call after the commit presents the new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, NotFound, Stale
from botplatform.validation import one_line
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, VersionStatus
from certificates.services import activating, defaults
from certificates.services.deleting import places

MAX_REASON = 500  # characters
MOST_VERSIONS = 1_000_000  # higher numbers are no version's; databases could not even look for some
# From which statuses a version may come. To be what it is already changes nothing.
MAY_BECOME = {
    VersionStatus.ACTIVE: {VersionStatus.STAGED, VersionStatus.RETIRED},
    VersionStatus.RETIRED: {VersionStatus.STAGED, VersionStatus.ACTIVE},
    VersionStatus.DESTROYED: {VersionStatus.DRAFT, VersionStatus.RETIRED},
}
WHY_NOT = {
    (VersionStatus.DRAFT, VersionStatus.ACTIVE): "is a draft: it waits for the CA’s reply.",
    (VersionStatus.DRAFT, VersionStatus.RETIRED): "is a draft and was never presented: discard it instead.",
    (VersionStatus.STAGED, VersionStatus.DESTROYED): "is staged: retire it first.",
    (VersionStatus.ACTIVE, VersionStatus.DESTROYED): "is active: promote another version, or retire it, first.",
    (VersionStatus.DESTROYED, VersionStatus.ACTIVE): "was destroyed: its private key is gone for good.",
    (VersionStatus.DESTROYED, VersionStatus.RETIRED): "was destroyed: that is final.",
}


@dataclass(frozen=True, slots=True)
class Rotation:
    """The version that was asked for, as it is now; what it was before; and who was active before, by number.

    `proof` says what tests have proven of a promoted version; `same_key` where the key of a destroyed one still is.
    """

    certificate: ClientCertificate
    version: CertificateVersion
    was: VersionStatus
    active_before: int | None
    proof: str = ""
    same_key: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.version.status != self.was


@transaction.atomic
def promote(
    *,
    actor: Actor,
    certificate: ClientCertificate,
    number: int | None = None,
    force: bool = False,
    reason: str = "",
    expected_state: str | None = None,
) -> Rotation:
    """Make the staged version, or the version `number`, the active one. The active one already: nothing changes.

    A version that was tested on the nodes, and not accepted by all, needs a `reason`. `force` promotes it without one,
    and a version that is outside its validity. Both are on record. `expected_state` is the certificate's `state` as the
    caller last saw it.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` (the reason), `Conflict` (what it is now, its validity or the tests
    do not allow it), `Stale`.
    """
    reason = one_line(reason, field="reason", label="The reason", max_length=MAX_REASON, required=False)
    locked = _lock(actor, certificate, expected_state)
    version = _staged(locked) if number is None else _numbered(locked, number)
    was = _may_become(version, VersionStatus.ACTIVE)
    if was == VersionStatus.ACTIVE:
        return Rotation(locked, version, was, version.number)
    _refuse_keyless(version)
    if not force:
        _refuse_invalid(version)
    answers = activating.promoting.send(CertificateVersion, version=version, insisted=force or bool(reason))
    proof = " ".join(str(text) for _, text in answers)
    facts: dict[str, object] = {"was": was.value, "forced": force, "allowed_findings": version.allowed_findings}
    facts |= {"proof": proof} | ({"reason": reason} if reason else {})
    return Rotation(locked, version, was, activating.promote(actor, version, facts), proof)


@transaction.atomic
def roll_back(*, actor: Actor, certificate: ClientCertificate, expected_state: str | None = None) -> Rotation:
    """Undo the last promotion: the version that was active before becomes active again, and this one is retired.

    Repeated, it goes further back, never forth. Raises `NotAllowed`, `NotFound`, `Conflict` (nothing to go back to,
    or its certificate is outside its validity), `Stale`.
    """
    locked = _lock(actor, certificate, expected_state)
    version = rollback_target(locked)
    if version is None:
        raise Conflict(f"“{locked.path}” has no earlier version to go back to.", code="nothing_to_roll_back_to")
    version.certificate = locked
    _refuse_invalid(version)
    was = VersionStatus(version.status)
    locked.versions.filter(status=VersionStatus.ACTIVE).update(turn=None)  # undone: no rollback leads there again
    with activating.taking_place(actor, version, VersionStatus.ACTIVE, undone=True) as before:
        version.save(update_fields=["status"])
        facts: dict[str, object] = {"version": version.number, "before": before}
        defaults.record(actor, Action.VERSION_ROLLED_BACK, locked, facts)
    return Rotation(locked, version, was, before)


@transaction.atomic
def retire(
    *,
    actor: Actor,
    certificate: ClientCertificate,
    number: int,
    force: bool = False,
    expected_state: str | None = None,
) -> Rotation:
    """Present or stage the version `number` no longer; no rollback leads to it. Retired already: nothing changes.

    The active version of a certificate in use is retired only with `force`: its nodes then present nothing and
    calls that require mutual TLS are not made. Raises `NotAllowed`, `NotFound`, `Conflict`, `Stale`.
    """
    locked = _lock(actor, certificate, expected_state)
    version = _numbered(locked, number)
    was = _may_become(version, VersionStatus.RETIRED)
    active = locked.versions.filter(status=VersionStatus.ACTIVE).values_list("number", flat=True).first()
    if was == VersionStatus.RETIRED:
        return Rotation(locked, version, was, active)
    if was == VersionStatus.ACTIVE and not force:
        _refuse_in_use(actor, version)
    version.status, version.turn = VersionStatus.RETIRED, None  # no rollback leads to what somebody retired
    version.save(update_fields=["status", "turn"])
    facts: dict[str, object] = {"version": version.number, "was": was.value, "forced": force}
    defaults.record(actor, Action.VERSION_RETIRED, locked, facts)
    return Rotation(locked, version, was, active)


@transaction.atomic
def destroy(
    *,
    actor: Actor,
    certificate: ClientCertificate,
    number: int,
    expected_state: str | None = None,
    only_draft: bool = False,
) -> Rotation:
    """Delete the sealed private key of a retired version or a draft, for good; the facts of the certificate stay.

    `only_draft` refuses whatever got a certificate meanwhile. Destroyed already: nothing changes. Raises
    `NotAllowed`, `NotFound`, `Conflict`, `Stale`.
    """
    locked = _lock(actor, certificate, expected_state)
    version = _numbered(locked, number)
    was = _may_become(version, VersionStatus.DESTROYED)
    if only_draft and version.has_leaf:
        raise Conflict(f"{_name(version)} has a certificate: it is no open request any more.", code="wrong_status")
    active = locked.versions.filter(status=VersionStatus.ACTIVE).values_list("number", flat=True).first()
    if was == VersionStatus.DESTROYED:
        return Rotation(locked, version, was, active)
    SealedKey.objects.filter(version=version).delete()
    version.status = VersionStatus.DESTROYED
    version.save(update_fields=["status"])
    facts: dict[str, object] = {
        "version": version.number,
        "was": was.value,
        "sha256": version.sha256,
        "spki_sha256": version.spki_sha256,
    }
    defaults.record(actor, Action.VERSION_DESTROYED, locked, facts)
    return Rotation(locked, version, was, active, same_key=same_key(version))


def same_key(version: CertificateVersion) -> tuple[str, ...]:
    """Other versions of the same owner that hold the same private key: “acme/bank version 2”."""
    held = CertificateVersion.objects.filter(spki_sha256=version.spki_sha256, sealed_key__isnull=False)
    others = held.filter(certificate__bot=version.certificate.bot).exclude(pk=version.pk)
    ordered = others.select_related("certificate__bot").order_by("certificate__name", "number")
    return tuple(f"{other.certificate.path} version {other.number}" for other in ordered)


def rollback_target(certificate: ClientCertificate) -> CertificateVersion | None:
    """The retired version that was active last; those retired by a rollback or by hand do not count."""
    retired = certificate.versions.filter(status=VersionStatus.RETIRED, turn__isnull=False, sealed_key__isnull=False)
    return retired.order_by("-turn").first()


def _lock(actor: Actor, certificate: ClientCertificate, expected_state: str | None) -> ClientCertificate:
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    locked = defaults.lock_certificate(certificate)
    if expected_state not in {None, locked.state}:
        raise Stale("Somebody changed this certificate meanwhile. Look at it again, then decide.")
    return locked


def _staged(certificate: ClientCertificate) -> CertificateVersion:
    version = certificate.versions.filter(status=VersionStatus.STAGED).first()
    if version is None:
        raise Conflict(f"“{certificate.path}” has no staged version. Name the version to promote.", code="none_staged")
    version.certificate = certificate
    return version


def _numbered(certificate: ClientCertificate, number: int) -> CertificateVersion:
    version = certificate.versions.filter(number=number).first()
    if version is None:
        raise NotFound(f"“{certificate.path}” has no version {number}.")
    version.certificate = certificate
    return version


def _may_become(version: CertificateVersion, status: VersionStatus) -> VersionStatus:
    """What the version is now. Raises `Conflict`."""
    was = VersionStatus(version.status)
    if was != status and was not in MAY_BECOME[status]:
        raise Conflict(f"{_name(version)} {WHY_NOT[was, status]}", code="wrong_status")
    return was


def _refuse_keyless(version: CertificateVersion) -> None:
    if not SealedKey.objects.filter(version=version).exists():
        raise Conflict(f"{_name(version)} has no private key.", code="certificate_unusable")


def _refuse_invalid(version: CertificateVersion) -> None:
    now = timezone.now()
    if version.not_after <= now:
        since = version.not_after.strftime("%Y-%m-%d %H:%M UTC")
        raise Conflict(f"{_name(version)} expired on {since}: no call would be made with it.", code="expired")
    if version.not_before > now:
        since = version.not_before.strftime("%Y-%m-%d %H:%M UTC")
        text = f"{_name(version)} is valid only from {since} on: until then no call would be made with it."
        raise Conflict(text, code="not_yet_valid")


def _refuse_in_use(actor: Actor, version: CertificateVersion) -> None:
    certificate, users = version.certificate, []
    if certificate.is_default:
        users.append(f"is the default of {f'the bot {certificate.bot.slug}' if certificate.bot else 'the platform'}")
    if nodes := list(certificate.service_nodes.select_related("bot")):
        users.append(f"is attached to {places(nodes, actor)}")
    if users:
        text = f"{_name(version)} is in use: the certificate {' and '.join(users)}. Nothing would be presented there."
        raise Conflict(text, code="in_use")


def _name(version: CertificateVersion) -> str:
    return f"Version {version.number} of “{version.certificate.path}”"
