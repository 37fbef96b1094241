"""How a certificate is renewed: choosing it, and asking for a renewal now."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput
from certificates.issuer_models import CertificateIssuer, RenewalPolicy
from certificates.models import ClientCertificate, VersionStatus
from certificates.pki.csr import KeyKind
from certificates.services import defaults, pace
from certificates.services.requesting import open_requests
from certificates.services.rotation import destroy
from certificates.tasks import run_renewal

MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class RenewalChoice:
    """What is chosen. Without an `issuer`: by hand. `days_before` None: when a third of the lifetime is left."""

    issuer: CertificateIssuer | None = None
    days_before: int | None = None
    key_kind: KeyKind = KeyKind.EC_P256
    auto_promote: bool = False


@transaction.atomic
def set_renewal(*, actor: Actor, certificate: ClientCertificate, choice: RenewalChoice) -> RenewalPolicy:
    """Choose how the certificate is renewed. The same again changes nothing.

    Another issuer, or another kind of key, ends what the one before was asked for: its draft is destroyed. Raises
    `NotAllowed`, `NotFound`, `InvalidInput`, `Conflict` (too many within a minute).
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    locked = defaults.lock_certificate(certificate)
    _check(locked, choice)
    known = RenewalPolicy.objects.select_for_update().filter(certificate=locked)  # a worker may be at it
    policy = known.first() or RenewalPolicy(certificate=locked)
    if not policy._state.adding and _choice(policy) == choice:
        return policy
    dropped = _drop_order(actor, policy, choice)
    policy.issuer, policy.days_before = choice.issuer, choice.days_before
    policy.key_kind, policy.auto_promote = choice.key_kind.value, choice.auto_promote
    policy.look_at, policy.attempt, policy.error, policy.asked_by = timezone.now(), 0, "", ""
    policy.save()
    facts: dict[str, object] = {
        "issuer": choice.issuer.path if choice.issuer else None,
        "days_before": choice.days_before,
        "key": choice.key_kind.value,
        "auto_promote": choice.auto_promote,
        "dropped_draft": dropped,
    }
    defaults.record(actor, Action.RENEWAL_CHANGED, locked, facts)
    pace.refuse_haste(actor)
    return policy


@transaction.atomic
def renew_now(*, actor: Actor, certificate: ClientCertificate) -> RenewalPolicy:
    """Ask a worker to renew it by its issuer, due or not. Asked again while one is under way: nothing is done twice.

    Where no version is active, the issuer is to sign the newest open request, as for a first certificate. Raises
    `NotAllowed`, `NotFound`, or `Conflict` (no issuer, nothing to renew, or too many within a minute).
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    locked = defaults.lock_certificate(certificate)
    policies = RenewalPolicy.objects.select_related("issuer").select_for_update(of=("self",))
    policy = policies.filter(certificate=locked, issuer__isnull=False).first()
    if policy is None or policy.issuer is None:
        raise Conflict(f"“{locked.path}” is renewed by hand: choose an issuer first.", code="no_issuer")
    if policy.error:
        policy.resume = ""  # who asks after a failure has put something right: begin anew
    if not locked.versions.filter(status=VersionStatus.ACTIVE).exists():
        _take_request(policy, locked)
    policy.asked_by, policy.attempt, policy.error, policy.look_at = actor.name[:150], 0, "", timezone.now()
    policy.save(update_fields=["asked_by", "attempt", "error", "look_at", "draft", "resume"])
    defaults.record(actor, Action.RENEWAL_REQUESTED, locked, {"issuer": policy.issuer.path})
    pace.refuse_haste(actor)
    run_renewal.enqueue(str(policy.pk))
    return policy


def _take_request(policy: RenewalPolicy, certificate: ClientCertificate) -> None:
    """What is to be signed where nothing can be renewed. Raises `Conflict`."""
    newest = open_requests(certificate).first()
    if newest is None:
        text = f"“{certificate.path}” has no active version whose names could be asked for again: make a request first."
        raise Conflict(text, code="nothing_to_renew")
    if policy.draft != newest:
        policy.draft, policy.resume = newest, ""


def note_standing(policy: RenewalPolicy, text: str) -> None:
    """Why what the renewal made was not promoted by itself. Nothing is decided by it, so nothing is on record."""
    RenewalPolicy.objects.filter(pk=policy.pk).exclude(standing=text).update(standing=text)


def forget_staged(policy: RenewalPolicy) -> None:
    """It is not staged any more: whatever became of it, nothing is left to promote."""
    RenewalPolicy.objects.filter(pk=policy.pk, staged=policy.staged_id).update(staged=None, standing="")


def _drop_order(actor: Actor, policy: RenewalPolicy, choice: RenewalChoice) -> int | None:
    """End what another issuer was asked for, or with a key of another kind. The number of the destroyed draft.

    A request that a person made is theirs: it stays open, for another issuer or for a CA's reply.
    """
    if policy.issuer != choice.issuer:
        policy.window_start = policy.window_end = policy.window_ask_at = None  # it was the other CA's
        policy.window_of = ""
    elif policy.key_kind == choice.key_kind:
        return None
    policy.lease_until = None  # a worker that is at it now writes no outcome any more
    draft = policy.draft
    if draft is None or draft.status != VersionStatus.DRAFT:
        return None
    policy.draft, policy.resume = None, ""
    if draft.created_by != Actor.platform().name:
        return None
    destroy(actor=actor, certificate=policy.certificate, number=draft.number, only_draft=True)
    return draft.number


def _choice(policy: RenewalPolicy) -> RenewalChoice:
    return RenewalChoice(policy.issuer, policy.days_before, KeyKind(policy.key_kind), policy.auto_promote)


def _check(certificate: ClientCertificate, choice: RenewalChoice) -> None:
    issuer = choice.issuer
    if issuer and issuer.bot_id not in {None, certificate.bot_id}:
        raise InvalidInput("The issuer belongs to another bot.", field="issuer")
    if choice.days_before is not None and not 1 <= choice.days_before <= MOST_DAYS:
        raise InvalidInput(f"Days before expiry are a whole number from 1 to {MOST_DAYS}.", field="days_before")
    if choice.auto_promote and issuer is None:
        text = "Only what an issuer signed is promoted by itself: choose one, or promote by hand."
        raise InvalidInput(text, field="auto_promote")
