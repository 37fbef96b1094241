"""The CA's reply to an open request: read in the limited child process, recognised by the key, stored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from certificates import sandbox
from certificates.models import CertificateVersion, ChainCertificate, ClientCertificate, VersionStatus
from certificates.pki import csr
from certificates.pki.findings import ErrorCode
from certificates.pki.inspection import Inspection, InspectionError, UploadedFile
from certificates.services import activating, defaults, material, succession
from certificates.services.importing import refuse, store
from certificates.services.keys import Purpose, open_credential
from certificates.services.storing import Order


@dataclass(frozen=True, slots=True)
class Completion:
    """What a reply did, or in a dry run would do.

    `version` is the draft that it answers, or (not `changed`) the version that holds this certificate already; None
    where a dry run's reply answers nothing. `becomes` is the status of the version afterwards. `adds` to the chain of
    that version: stored, it is a version of its own.
    """

    certificate: ClientCertificate
    inspection: Inspection
    version: CertificateVersion | None = None
    becomes: VersionStatus | None = None
    changed: bool = False
    adds: bool = False


def complete(
    *,
    actor: Actor,
    certificate: ClientCertificate,
    files: Sequence[UploadedFile],
    allow: frozenset[str] = frozenset(),
    stage: bool = False,
    dry_run: bool = False,
) -> Completion:
    """Store the CA's reply in the draft whose key it certifies. It is staged; active if none is, unless `stage`.

    The reply is PEM, DER or PKCS#7; its leaf alone will do. Whatever was staged before is retired, as by an import. A
    certificate that is there already changes nothing, unless the reply has more of its chain: then a new version
    with the same key has all of it. `allow` holds codes of findings insisted on. A `dry_run` stores
    nothing and does not raise for what the inspection says.

    Raises `NotAllowed`, `NotFound`, `BundleError` (unreadable, or for no open request), `ImportRefused` (findings not
    allowed), and what opening and sealing a key raise. Do not call it inside a transaction.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=certificate.bot)
    read = _read(certificate, files)
    if dry_run:
        return _understand(certificate, read, allow, stage=stage)
    with transaction.atomic():
        done = _understand(defaults.lock_certificate(certificate), read, allow, stage=stage)
        if done.version is None or done.version.status == VersionStatus.DRAFT:
            refuse(done.inspection, tuple(allow))
            _fill(actor, done, sorted(allow.intersection(read.refusing)))
    return _store_again(actor, done, allow) if done.adds else done


def _read(certificate: ClientCertificate, files: Sequence[UploadedFile]) -> Inspection:
    keys = certificate.versions.values_list("spki_sha256", "status")
    return sandbox.inspect_reply(
        files,
        open_keys={spki for spki, status in keys if status == VersionStatus.DRAFT},
        past_keys={spki for spki, status in keys if status != VersionStatus.DRAFT},
        now=timezone.now(),
    )


def _understand(certificate: ClientCertificate, read: Inspection, allow: frozenset[str], *, stage: bool) -> Completion:
    """What the reply means for what is stored now."""
    leaf = read.leaf
    if read.error is None and leaf is not None:
        known = certificate.versions.filter(sha256=leaf.sha256).order_by("-number").first()
        if known is not None:
            known.certificate = certificate
            return _known(certificate, read, known, allow, stage=stage)
        draft = certificate.versions.filter(status=VersionStatus.DRAFT, spki_sha256=leaf.spki_sha256).first()
        if draft is not None:
            draft.certificate = certificate
            read = succession.judged(read, certificate, draft=draft)
            becomes = VersionStatus.STAGED if stage else _place(certificate)
            return Completion(certificate, read, draft, becomes, changed=read.importable(allow))
    return Completion(certificate, _refused(certificate, read))


def _known(
    certificate: ClientCertificate, read: Inspection, known: CertificateVersion, allow: frozenset[str], *, stage: bool
) -> Completion:
    presented = known.status in {VersionStatus.ACTIVE, VersionStatus.STAGED}
    if not presented or not material.adds_to_chain(read, known):
        return Completion(certificate, read, known, VersionStatus(known.status))
    becomes = VersionStatus.STAGED if stage else _place(certificate)
    return Completion(certificate, read, known, becomes, changed=read.importable(allow), adds=True)


def _store_again(actor: Actor, done: Completion, allow: frozenset[str]) -> Completion:
    """What is stored never changes, so more of a chain makes a new version, as an import of all of it would."""
    refuse(done.inspection, tuple(allow))
    if done.version is None:
        raise TypeError("what is added to is a version")
    key = open_credential(version=done.version, purpose=Purpose.SEAL_AGAIN, actor=actor).private_key
    result = store(
        Order(
            actor=actor,
            owner=done.certificate.bot,
            name=done.certificate.name,
            inspection=replace(done.inspection, private_key=csr.private_der(key)),
            make_default=False,
            stage=done.becomes == VersionStatus.STAGED,
            allowed=tuple(sorted(allow.intersection(done.inspection.refusing))),
        )
    )
    return replace(done, version=result.version, changed=result.changed)


def _place(certificate: ClientCertificate) -> VersionStatus:
    active = certificate.versions.filter(status=VersionStatus.ACTIVE).exists()
    return VersionStatus.STAGED if active else VersionStatus.ACTIVE


def _refused(certificate: ClientCertificate, read: Inspection) -> Inspection:
    """With the reason why it answers no open request, in this certificate's words, where that is the reason."""
    if read.error is not None and read.error.code != ErrorCode.KEY_DOES_NOT_MATCH:
        return read
    drafts = certificate.versions.filter(status=VersionStatus.DRAFT).order_by("number")
    numbers = [str(number) for number in drafts.values_list("number", flat=True)]
    if not numbers:
        text = f"“{certificate.path}” has no open request that this could answer: make one, or import the files."
    elif len(numbers) == 1:
        text = f"The files hold no certificate for the key of version {numbers[0]}, the open request of "
        text += f"“{certificate.path}”: check with the CA which request it signed."
    else:
        text = f"The files hold no certificate for the key of an open request of “{certificate.path}” "
        text += f"(versions {', '.join(numbers)}): check with the CA which request it signed."
    return replace(read, error=InspectionError(ErrorCode.KEY_DOES_NOT_MATCH, text))


def _fill(actor: Actor, done: Completion, allowed: list[str]) -> None:
    """Write the leaf and its chain into the draft, and give it its place."""
    version, becomes = done.version, done.becomes
    assert version is not None and becomes is not None  # noqa: S101, PT018 - a reply that changes something
    for column, value in material.leaf_facts(done.inspection).items():
        setattr(version, column, value)
    version.allowed_findings = allowed
    version.created_at, version.created_by = timezone.now(), actor.name[:150]
    with activating.taking_place(actor, version, becomes) as before:
        version.save(force_update=True)
        ChainCertificate.objects.bulk_create(material.chain_rows(done.inspection, version))
        facts = material.stored_facts(version, before)
        defaults.record(actor, Action.VERSION_COMPLETED, done.certificate, facts)
