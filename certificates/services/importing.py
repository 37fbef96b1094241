"""Importing a client certificate: look first, then store all or nothing.

Untrusted bytes are parsed in the limited child process, before anything is locked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from botplatform.validation import check_model, refuse_route
from certificates import key_storage, sandbox
from certificates.errors import BundleError, ImportRefused
from certificates.models import CertificateVersion, ClientCertificate
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.secret import Secret
from certificates.services import storing, succession, waiting
from certificates.services.storing import Order, Overtaken

ATTEMPTS = 40  # each failed one means that somebody else's import went through


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or a dry run would do. `certificate` and `version` are None where nothing exists yet.

    `note` is a sentence where the version was staged although that was not asked for; of a dry run, also on whose place
    it would take.
    """

    certificate: ClientCertificate | None
    version: CertificateVersion | None
    changed: bool
    inspection: Inspection
    note: str = ""


def preview(
    *, actor: Actor, owner: Bot | None, files: Sequence[UploadedFile], passphrase: Secret | None, name: str = ""
) -> Inspection:
    """What the files hold and what an import, as the certificate `name`, would say. Raises `NotAllowed`."""
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=owner)
    inspection = sandbox.inspect_untrusted(files, passphrase=passphrase, now=timezone.now())
    known = ClientCertificate.objects.of_owner(owner).filter(name=name).first() if name else None
    return succession.judged(inspection, known)


def import_certificate(
    *,
    actor: Actor,
    owner: Bot | None,
    name: str,
    files: Sequence[UploadedFile],
    passphrase: Secret | None,
    make_default: bool = False,
    stage: bool = False,
    allow: frozenset[str] = frozenset(),
    dry_run: bool = False,
) -> ImportResult:
    """Store what the files hold as a new version of the certificate `name` of `owner` (None: the platform).

    The new version is active and retires the one before it, or is staged: with `stage`, and where the active version is
    valid now and the new one not yet. The active or staged
    version with the same material is not stored again. `allow` holds codes of findings insisted on. A `dry_run`
    stores nothing and does not raise for what the inspection says.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` (the name), `BundleError` (the files make no certificate),
    `ImportRefused` (findings not allowed), `Sealed`, `Conflict`.
    """
    inspection = preview(actor=actor, owner=owner, files=files, passphrase=passphrase, name=name)
    check_model(ClientCertificate(name=name))
    refuse_route(name, "import", field="name")
    order = Order(
        actor=actor,
        owner=owner,
        name=name,
        inspection=inspection,
        make_default=make_default,
        stage=stage,
        allowed=tuple(sorted(allow.intersection(inspection.refusing))),
    )
    if dry_run:
        return _foresee(order)
    refuse(inspection, order.allowed)
    return store(order)


def store(order: Order) -> ImportResult:
    """Store what may be stored, however many do so at once. Raises `Sealed`, `Conflict`."""
    for _ in range(ATTEMPTS):
        try:
            held, valid_from = waiting.hold_back(order)
            certificate, version, changed = storing.attempt(held)
        except (Overtaken, IntegrityError):
            continue
        note = waiting.sentence(valid_from) if changed and valid_from else ""
        return ImportResult(certificate, version, changed, order.inspection, note)
    raise Conflict("Others keep importing into the same certificate. Try again in a moment.")


def _foresee(order: Order) -> ImportResult:
    order, valid_from = waiting.hold_back(order)
    plan = storing.make_plan(order)
    changed = order.inspection.importable(frozenset(order.allowed)) and plan.changes
    if changed:
        key_storage.fitting_keyring()
        storing.refuse_empty_default(order, plan)
    note = waiting.sentence(valid_from, stored=False) if changed and valid_from else ""
    follows = succession.successor_of(actor=order.actor, owner=order.owner, name=order.name)
    if changed and follows and plan.same is None and not order.stage:
        note = follows.text
    return ImportResult(plan.certificate, plan.same, changed, order.inspection, note)


def refuse(inspection: Inspection, allowed: Sequence[str]) -> None:
    """Raise unless the inspection, with what is insisted on, allows the import: `BundleError` or `ImportRefused`."""
    if (error := inspection.error) is not None:
        raise BundleError(error.code, error.text, file=error.file, inspection=inspection)
    refusing = tuple(code for code in inspection.refusing if code not in allowed)
    if refusing:
        texts = " ".join(found.text for found in inspection.findings if found.code in refusing)
        raise ImportRefused(f"The import is refused: {texts}", findings=refusing, inspection=inspection)
