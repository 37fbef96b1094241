"""Trust stores: importing anchors, and deleting a store that nothing uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict, InvalidInput, NotFound, Stale
from botplatform.validation import check_model, refuse_route
from certificates import sandbox
from certificates.models import TrustAnchor, TrustStore
from certificates.pki import limits
from certificates.pki.anchors import anchor_warnings
from certificates.pki.inspection import CertificateFacts, UploadedFile
from certificates.services import defaults, material
from certificates.services.deleting import delete_unused

ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class TrustStoreResult:
    """What an import did: `added` are the anchors that were not in the store before; `warnings` are sentences."""

    trust_store: TrustStore
    added: tuple[CertificateFacts, ...]
    changed: bool
    warnings: tuple[str, ...] = ()


def import_trust_store(
    *, actor: Actor, owner: Bot | None, name: str, files: Sequence[UploadedFile]
) -> TrustStoreResult:
    """Add the certificates of the files to the trust store `name` of `owner` (None: the platform).

    Makes the store if there is none. Anchors that it holds stay; the same anchors again change nothing.
    Raises `NotAllowed`, `NotFound`, `InvalidInput` (the name, or no certificate), `BundleError`, `Conflict`.
    """
    authorize(actor, Permission.TRUST_STORE_IMPORT, bot=owner)
    check_model(TrustStore(name=name))
    refuse_route(name, "import", field="name")
    anchors = tuple({facts.sha256: facts for facts in sandbox.read_certificates(files)}.values())
    if not anchors:
        raise InvalidInput("The files hold no certificate.", field="files")
    for _ in range(ATTEMPTS):
        try:
            result = _store(actor, owner, name, anchors)
        except IntegrityError:  # somebody else made the same store: look again
            continue
        return replace(result, warnings=anchor_warnings(anchors, now=timezone.now()))
    raise Conflict("Others keep importing into the same trust store. Try again in a moment.")


@transaction.atomic
def delete_trust_store(*, actor: Actor, trust_store: TrustStore, expected_revision: int | None = None) -> None:
    """Delete a trust store and its anchors. Raises `NotAllowed`, `NotFound`, `Stale`, or `Conflict` while in use."""
    authorize(actor, Permission.TRUST_STORE_IMPORT, bot=trust_store.bot)
    locked = TrustStore.objects.select_related("bot").select_for_update(of=("self",)).filter(pk=trust_store.pk).first()
    if locked is None:
        raise NotFound(f"There is no trust store “{trust_store.path}” any more.")
    if expected_revision not in {None, locked.revision}:
        raise Stale("Somebody changed this trust store meanwhile. Look at it again, then decide.")
    facts: dict[str, object] = {"anchors": list(locked.anchors.values_list("sha256", flat=True))}
    key = locked.pk
    delete_unused(locked, actor=actor, what=f"The trust store “{locked.path}”")
    locked.pk = key  # Django clears it
    _record(actor, Action.TRUST_STORE_DELETED, locked, facts)


@transaction.atomic
def _store(actor: Actor, owner: Bot | None, name: str, anchors: tuple[CertificateFacts, ...]) -> TrustStoreResult:
    defaults.lock_owner(owner)
    store = TrustStore.objects.of_owner(owner).select_for_update(of=("self",), no_key=True).filter(name=name).first()
    if store is None:
        store = TrustStore.objects.create(bot=owner, name=name, revision=0)
    store.bot = owner
    known = set(store.anchors.values_list("sha256", flat=True))
    added = tuple(facts for facts in anchors if facts.sha256 not in known)
    if len(known) + len(added) > limits.MAX_TRUST_STORE_CERTIFICATES:
        most = f"at most {limits.MAX_TRUST_STORE_CERTIFICATES} certificates"
        raise InvalidInput(f"A trust store holds {most}: begin another one.", field="files")
    if added:
        rows = [TrustAnchor(trust_store=store, der=facts.der, **material.common_facts(facts)) for facts in added]
        TrustAnchor.objects.bulk_create(rows)
        store.revision += 1
        store.save(update_fields=["revision"])
        facts: dict[str, object] = {"revision": store.revision, "added": [row.sha256 for row in rows]}
        _record(actor, Action.TRUST_STORE_IMPORTED, store, facts)
    return TrustStoreResult(store, added, changed=bool(added))


def _record(actor: Actor, action: Action, store: TrustStore, facts: dict[str, object]) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="trust_store",
        object_id=store.pk,
        object_name=store.path,
        bot=store.bot,
        facts=facts,
    )
