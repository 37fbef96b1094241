"""Renewals that are due: a duty finds them, a task takes each through draft, signature and reply to a staged version.

Every step is kept before the next one begins, so a worker that is killed leaves a renewal that goes on: the draft is
made once, an ACME order is taken up again, and a reply is stored once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.crashes import crashes_told
from botplatform.errors import DomainError
from certificates.errors import BundleError, ImportRefused
from certificates.issuer_models import IssuerKind, RenewalPolicy, RenewalPolicyQuerySet
from certificates.issuers.port import Issuer, IssuerFailed, SigningJob
from certificates.models import CertificateVersion, VersionStatus
from certificates.pki.csr import KeyKind
from certificates.pki.inspection import UploadedFile
from certificates.pki.renewing import RenewalRule, SuggestedWindow, pause_after, renew_at
from certificates.services import completing, defaults, renewal_notices, requesting
from certificates.services.issuers import open_issuer
from certificates.tasks import run_renewal as run_renewal_task

log = structlog.get_logger(__name__)
BATCH = 200
MOST = 2000  # in one run of the duty
BEHIND = -20  # the priority of what nobody waits for
LOOK_AGAIN = timedelta(hours=1)  # versions change without a word to us
QUEUED_FOR = timedelta(minutes=10)  # then the hint is taken for lost
LEASE = timedelta(minutes=15)  # more than one attempt may take
REFUSED_PAUSE = timedelta(days=1)  # a CA limits how many certificates it makes for the same names
ASK_WINDOW_AGAIN = timedelta(hours=6)
WINDOW_FIELDS = ("window_of", "window_ask_at", "window_start", "window_end")
SHOWN = (VersionStatus.ACTIVE, VersionStatus.STAGED)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be done about a renewal at a moment. `at`: when it is to be looked at next, if nothing is."""

    due: bool
    ask_window: bool
    at: datetime


class LeaseLost(DomainError):
    """Somebody else took the renewal over, or chose anew how it is done: nothing more is written by this attempt."""


def queue_due_renewals() -> int:
    """The duty: look at those whose time has come, and tell workers of the ones that are due. Returns how many."""
    queued = 0
    for _ in range(MOST // BATCH):
        now = timezone.now()
        policies = list(_loaded().to_look_at(now)[:BATCH])
        for policy in policies:
            outlook = look(policy, now)
            if outlook.due or outlook.ask_window:
                _queue(policy, now)
                queued += 1
            else:
                RenewalPolicy.objects.filter(pk=policy.pk, look_at=policy.look_at).update(look_at=outlook.at)
        if len(policies) < BATCH:
            break
    return queued


def run_renewal(certificate_id: uuid.UUID) -> None:
    """The task: one attempt at the renewal of a certificate, if it is due and nobody is at it."""
    policy = _claim(certificate_id, timezone.now())
    if policy is None:
        return
    try:
        _take_further(policy)
    except LeaseLost:
        log.info("renewal_taken_over", certificate=policy.certificate.path)


def _take_further(policy: RenewalPolicy) -> None:
    try:
        with crashes_told("The renewal", certificate=policy.certificate.path):
            at = _attempt(policy)
    except LeaseLost:
        raise
    except DomainError as error:
        _failed(policy, error)
    else:
        _write(policy, look_at=at, lease_until=None)


def look(policy: RenewalPolicy, now: datetime) -> Outlook:
    """What is to be done about a loaded policy at `now`."""
    active = _of_status(policy, VersionStatus.ACTIVE)
    if active is None:  # nothing to renew; a request that was handed over may be signed
        waits = policy.draft is not None and policy.draft.status == VersionStatus.DRAFT
        return Outlook(due=waits, ask_window=False, at=now + LOOK_AGAIN)
    staged = _of_status(policy, VersionStatus.STAGED)
    waits = staged is not None and staged.not_after > active.not_after  # its successor is there already
    due_at = due_from(policy, active)
    due = policy.draft_id is not None or bool(policy.asked_by) or (now >= due_at and not waits)
    stale = policy.window_of != active.sha256 or policy.window_ask_at is None or policy.window_ask_at <= now
    ask = stale and not waits and policy.issuer is not None and policy.issuer.kind == IssuerKind.ACME
    at = now + LOOK_AGAIN if waits else min(max(due_at, now), now + LOOK_AGAIN)
    return Outlook(due=due, ask_window=ask and active.not_after > now, at=at)


def due_from(policy: RenewalPolicy, version: CertificateVersion) -> datetime:
    """From when on the version is to be renewed."""
    window = None
    if policy.window_of == version.sha256 and policy.window_start and policy.window_end:
        window = SuggestedWindow(policy.window_start, policy.window_end)
    return renew_at(
        not_before=version.not_before,
        not_after=version.not_after,
        rule=RenewalRule(policy.days_before),
        window=window,
        seed=version.sha256,
    )


def _loaded() -> RenewalPolicyQuerySet:
    shown = CertificateVersion.objects.filter(status__in=SHOWN).defer("findings")
    return RenewalPolicy.objects.loaded().prefetch_related(
        Prefetch("certificate__versions", queryset=shown, to_attr="shown_versions")
    )


def _of_status(policy: RenewalPolicy, status: VersionStatus) -> CertificateVersion | None:
    shown: list[CertificateVersion] = policy.certificate.shown_versions  # type: ignore[attr-defined]
    return next((version for version in shown if version.status == status), None)


@transaction.atomic
def _queue(policy: RenewalPolicy, now: datetime) -> None:
    if RenewalPolicy.objects.filter(pk=policy.pk, look_at=policy.look_at).update(look_at=now + QUEUED_FOR):
        run_renewal_task.using(priority=BEHIND).enqueue(str(policy.pk))


def _claim(certificate_id: uuid.UUID, now: datetime) -> RenewalPolicy | None:
    """The policy, now ours; None when it has no issuer any more, or somebody is at it."""
    lease = now + LEASE  # later than any before it: it tells our attempt from all others
    free = RenewalPolicy.objects.free(now).filter(pk=certificate_id)
    if not free.update(lease_until=lease, tried_at=now):
        return None
    return _loaded().filter(pk=certificate_id, lease_until=lease).first()


def _write(policy: RenewalPolicy, **values: object) -> None:
    """Only while the lease is ours. Raises `LeaseLost`."""
    if not RenewalPolicy.objects.filter(pk=policy.pk, lease_until=policy.lease_until).update(**values):
        raise LeaseLost("Somebody else is at this renewal.")


def _attempt(policy: RenewalPolicy) -> datetime:
    """Take it as far as it goes; returns when to look again. Raises `DomainError`, `LeaseLost`."""
    now = timezone.now()
    outlook = look(policy, now)
    if not (outlook.due or outlook.ask_window) or policy.issuer is None:
        if policy.asked_by:  # what was to be signed is gone
            _write(policy, asked_by="", draft=None, resume="")
        return outlook.at
    issuer = open_issuer(policy.issuer)
    if outlook.ask_window:
        _ask_window(policy, issuer, now)
        outlook = look(policy, now)
    if not outlook.due:
        return outlook.at
    draft = _open_draft(policy)
    if draft.status == VersionStatus.DRAFT:
        _store(policy, issuer.sign(_job(policy, draft)))
    _succeeded(policy, draft)
    return timezone.now() + LOOK_AGAIN


def _ask_window(policy: RenewalPolicy, issuer: Issuer, now: datetime) -> None:
    """Ask the CA when it wants the active version renewed. That it cannot tell is no failure of the renewal."""
    active = _of_status(policy, VersionStatus.ACTIVE)
    if active is None:
        return
    policy.window_of, policy.window_ask_at = active.sha256, now + ASK_WINDOW_AGAIN
    policy.window_start = policy.window_end = None
    try:
        window = issuer.window(leaf_der=bytes(active.leaf_der), now=now)
    except IssuerFailed as failure:
        log.info("renewal_information_not_told", certificate=policy.certificate.path, error=failure.text)
    else:
        if window is not None:
            policy.window_start, policy.window_end = window.start, window.end
            policy.window_ask_at = window.ask_again_at
    _write(policy, **{name: getattr(policy, name) for name in WINDOW_FIELDS})


def _open_draft(policy: RenewalPolicy) -> CertificateVersion:
    """The draft that is being signed, made with a new key if there is none or somebody destroyed it."""
    if policy.draft is not None and policy.draft.status in {VersionStatus.DRAFT, *SHOWN}:
        return policy.draft
    certificate = policy.certificate
    with transaction.atomic():
        requested = requesting.request(
            actor=Actor.platform(), owner=certificate.bot, name=certificate.name, key=KeyKind(policy.key_kind)
        )
        policy.draft, policy.resume = requested.version, ""
        _write(policy, draft=policy.draft, resume="")
    return requested.version


def _job(policy: RenewalPolicy, draft: CertificateVersion) -> SigningJob:
    def keep(resume: str) -> None:
        _write(policy, resume=resume[:500])

    return SigningJob(bytes(draft.signing_request.csr_der), policy.resume, keep)


def _store(policy: RenewalPolicy, chain: tuple[bytes, ...]) -> None:
    files = [UploadedFile(f"certificate {number} of the CA", der) for number, der in enumerate(chain, 1)]
    try:
        completing.complete(actor=Actor.platform(), certificate=policy.certificate, files=files, stage=True)
    except (BundleError, ImportRefused):
        _write(policy, resume="")  # the same order would bring the same certificate for ever
        raise


@transaction.atomic
def _succeeded(policy: RenewalPolicy, draft: CertificateVersion) -> None:
    draft.refresh_from_db()
    staged = draft if draft.status == VersionStatus.STAGED else None  # else somebody brought the reply, or promoted it
    _write(policy, draft=None, resume="", asked_by="", attempt=0, error="", staged=staged, standing="")
    if staged is not None:
        renewal_notices.tell_staged(policy, staged)


@transaction.atomic
def _failed(policy: RenewalPolicy, error: DomainError) -> None:
    attempt = min(policy.attempt + 1, 1000)
    pause = pause_after(attempt, getattr(error, "retry_after_s", None))
    if isinstance(error, BundleError | ImportRefused):
        pause = REFUSED_PAUSE
    now = timezone.now()
    _write(policy, attempt=attempt, error=error.text, look_at=now + pause, lease_until=None)
    active = _of_status(policy, VersionStatus.ACTIVE)
    if active is not None:
        renewal_notices.tell_failed(policy, active, error=error.text, attempt=attempt, now=now)
    phase = getattr(error, "phase", None)
    facts: dict[str, object] = {"attempt": attempt, "phase": phase.value if phase else None, "error": error.text}
    defaults.record(Actor.platform(), Action.RENEWAL_FAILED, policy.certificate, facts)
