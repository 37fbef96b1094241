"""Makes rows for tests, past the services: plain functions, every argument optional."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates import key_storage
from certificates.models import (
    CertificateRequest,
    CertificateVersion,
    ChainCertificate,
    ChainRole,
    ClientCertificate,
    TrustAnchor,
    TrustStore,
    VersionStatus,
)
from certificates.pki import csr
from certificates.pki.decoding import inspect_files, read_certificates
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.subjects import asked_for
from certificates.services import material
from servicenodes.models import Alarm, ConnectionTest, ServiceNode
from tests.pki import CA, Issued

PASSWORD = "seven calm otters"
MAX_BYTES = 256 * 1024
_numbers = itertools.count(1)


def make_user(username: str = "", **fields: Any) -> User:
    """A user without any role unless `platform_role` is given."""
    return User.objects.create_user(username or f"user-{next(_numbers)}", PASSWORD, **fields)


def make_bot(slug: str = "", **fields: Any) -> Bot:
    slug = slug or f"bot-{next(_numbers)}"
    return Bot.objects.create(slug=slug, **{"name": slug.title(), **fields})


def upload(issued: Issued, *, name: str = "bundle.pem") -> list[UploadedFile]:
    """Leaf, intermediates and key in one PEM file."""
    return [UploadedFile(name, issued.chain_pem + issued.key_pem)]


def inspect(issued: Issued) -> Inspection:
    """In this process: what a test has just made needs no sandbox."""
    return inspect_files(upload(issued), passphrase=None, now=datetime.now(UTC), max_bytes=MAX_BYTES)


def make_certificate(
    bot: Bot | None = None,
    name: str = "",
    *,
    issued: Issued | None = None,
    is_default: bool = False,
    status: VersionStatus = VersionStatus.ACTIVE,
) -> ClientCertificate:
    """A client certificate with one version. Pass `issued` for real material with a sealed key; it takes a while.

    Without it the version holds facts only: enough for lists, not for a handshake.
    """
    certificate = ClientCertificate.objects.create(
        bot=bot, name=name or f"certificate-{next(_numbers)}", is_default=is_default
    )
    if issued is not None:
        add_version(certificate, issued, status=status)
    else:
        make_version(certificate, status=status)
    return certificate


def add_version(
    certificate: ClientCertificate, issued: Issued, *, number: int = 1, status: VersionStatus = VersionStatus.ACTIVE
) -> CertificateVersion:
    """A version with real material and a sealed key."""
    inspection = inspect(issued)
    assert inspection.private_key is not None, inspection.error
    version = material.version_row(
        inspection, certificate=certificate, number=number, status=status, created_by="factory"
    )
    version.turn = number if status in {VersionStatus.ACTIVE, VersionStatus.RETIRED} else None
    version.save()
    ChainCertificate.objects.bulk_create(material.chain_rows(inspection, version))
    key_storage.seal_private_key(version=version, private_key=inspection.private_key).save()
    return version


NO_LEAF = {"issuer": "", "serial": "", "sha256": "", "not_before": None, "not_after": None}


def make_version(certificate: ClientCertificate, **fields: Any) -> CertificateVersion:
    """A version that holds facts only; a draft has none of a leaf."""
    number = next(_numbers)
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "number": 1,
        "status": VersionStatus.ACTIVE,
        "leaf_der": b"",
        "subject": f"CN=client {number}",
        "issuer": "CN=Test root",
        "serial": f"{number:x}",
        "sha256": f"{number:064x}",
        "spki_sha256": f"{number:064x}",
        "not_before": now - timedelta(days=1),
        "not_after": now + timedelta(days=90),
        "key_type": "ec-p256",
        "key_bits": 256,
        "created_by": "factory",
    }
    if fields.get("status") == "draft":
        values |= NO_LEAF
    return CertificateVersion.objects.create(certificate=certificate, **{**values, **fields})


def make_request(version: CertificateVersion) -> CertificateRequest:
    """What was sent to a CA for the version, with any key."""
    asked = asked_for("CN=client", [])
    der = csr.build(csr.make_key(csr.KeyKind.EC_P256), asked)
    return CertificateRequest.objects.create(version=version, csr_der=der, subject="CN=client", created_by="factory")


def make_chain_certificate(version: CertificateVersion, **fields: Any) -> ChainCertificate:
    """A chain row that holds facts only."""
    facts = {name: getattr(version, name) for name in ("serial", "sha256", "not_before", "not_after")}
    values = {"position": 1, "role": ChainRole.INTERMEDIATE, "der": b"", "subject": "CN=i", "issuer": "CN=r", **facts}
    return ChainCertificate.objects.create(version=version, **{**values, **fields})


def make_trust_store(bot: Bot | None = None, name: str = "", *, authorities: tuple[CA, ...] = ()) -> TrustStore:
    """A trust store with the certificates of these authorities."""
    store = TrustStore.objects.create(bot=bot, name=name or f"trust-{next(_numbers)}")
    for authority in authorities:
        (facts,) = read_certificates([UploadedFile("ca.pem", authority.pem)], max_bytes=MAX_BYTES)
        TrustAnchor.objects.create(trust_store=store, der=facts.der, **material.common_facts(facts))
    return store


def make_node(bot: Bot, slug: str = "", **fields: Any) -> ServiceNode:
    slug = slug or f"node-{next(_numbers)}"
    return ServiceNode.objects.create(
        bot=bot, slug=slug, **{"name": slug, "url": "https://api.bank.example/balance", **fields}
    )


def make_test(node: ServiceNode, **fields: Any) -> ConnectionTest:
    """A connection test, queued unless `verdict` is given; then the node tells of it, as when a worker finishes."""
    values: dict[str, Any] = {"requested_by": "factory", "target": "api.bank.example:443"}
    if fields.get("verdict"):
        values |= {"started_at": datetime.now(UTC), "finished_at": datetime.now(UTC)}
    test = ConnectionTest.objects.create(node=node, **{**values, **fields})
    if test.verdict:
        node.last_verdict, node.last_summary, node.last_tested_at = test.verdict, test.summary, test.finished_at
        node.save(update_fields=["last_verdict", "last_summary", "last_tested_at"])
    return test


def make_alarm(node: ServiceNode, version: CertificateVersion, **fields: Any) -> Alarm:
    """An open alarm about a node; the version before is the same one unless named."""
    values = {"before": version, "verdict": "rejected", "summary": "The server rejected the certificate.", **fields}
    return Alarm.objects.create(node=node, version=version, **values)
