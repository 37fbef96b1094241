"""Client certificates, their versions and sealed keys, and trust stores.

A sealed key lives in its own table so that no query for certificates ever touches it.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.notifications.models import WebhookEndpoint
from certificates import issuer_models  # noqa: F401 - the app's models are loaded from here
from certificates.scopes import Owned, OwnedQuerySet, named_once


class ClientCertificateQuerySet(OwnedQuerySet["ClientCertificate"]):
    """Reads of client certificates."""

    def with_active_version(self) -> ClientCertificateQuerySet:
        """Loads bots and active versions along, so that a list costs two queries however long it is.

        The versions come without `leaf_der`, which no list shows.
        """
        active = CertificateVersion.objects.filter(status=VersionStatus.ACTIVE).order_by().defer("leaf_der")
        return self.select_related("bot").prefetch_related(
            models.Prefetch("versions", queryset=active, to_attr="active_versions")
        )


class ClientCertificate(Owned):
    """A named slot of a bot or of the platform: what one attaches to a service node. It has versions."""

    page = "detail"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(
        Bot, null=True, blank=True, on_delete=models.PROTECT, related_name="certificates"
    )  # null: the platform's
    is_default = models.BooleanField(default=False)
    allowed_hosts = models.JSONField(default=list, blank=True)  # it is presented to these only; empty: to any
    responsible = models.EmailField(blank=True, default="")  # told beside the bot's owners and certificate managers
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    fallback_days = models.PositiveSmallIntegerField(
        default=0
    )  # how long a promotion opens a fallback window; 0: never
    fallback_until = models.DateTimeField(null=True, editable=False)  # till then rejected calls fall back

    objects = ClientCertificateQuerySet.as_manager()

    class Meta(Owned.Meta):
        constraints = (
            *named_once("certificate"),
            models.UniqueConstraint(
                name="certificate_one_default_per_bot", fields=("bot",), condition=Q(is_default=True, bot__isnull=False)
            ),
            models.UniqueConstraint(
                name="certificate_one_platform_default",
                fields=("is_default",),
                condition=Q(is_default=True, bot__isnull=True),
            ),
        )

    @property
    def state(self) -> str:
        """A short digest that differs after any change: default, hosts, fallback, versions, their status. One query."""
        versions = self.versions.order_by("number").values_list("number", "status")
        fallback = f"{self.fallback_days} {self.fallback_until}"
        facts = [str(self.pk), str(self.is_default), fallback, *self.allowed_hosts]
        facts += [f"{number} {status}" for number, status in versions]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    def may_go_to(self, *hosts: str) -> bool:
        """Whether it may be presented there: to a host as in the URL, under the name that it must prove."""
        return not self.allowed_hosts or set(hosts) <= set(self.allowed_hosts)

    @property
    def active_version(self) -> CertificateVersion | None:
        """What is presented. Costs a query unless loaded with `with_active_version`."""
        loaded: list[CertificateVersion] | None = getattr(self, "active_versions", None)
        if loaded is not None:
            return loaded[0] if loaded else None
        return self.versions.filter(status=VersionStatus.ACTIVE).first()


class VersionStatus(models.TextChoices):
    """A version's life; at most one is active and one staged."""

    DRAFT = "draft"
    STAGED = "staged"
    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


# What a draft, which waits for the CA's reply, does not have yet: a leaf and its facts. A destroyed one may lack it.
NO_LEAF = Q(sha256="", serial="", issuer="", not_before__isnull=True, not_after__isnull=True)
A_LEAF = Q(not_before__isnull=False, not_after__isnull=False) & ~Q(sha256="")


class CertificateVersion(models.Model):
    """Immutable material of a client certificate: the leaf and facts for search. Only `status` and `turn` change.

    A draft has a key and no leaf yet: `subject` is the one asked for, and the facts of the leaf are empty until the
    CA's reply fills them, once.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    certificate = models.ForeignKey(ClientCertificate, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=VersionStatus.choices)
    leaf_der = models.BinaryField()
    subject = models.TextField()  # RFC 4514
    issuer = models.TextField()  # RFC 4514
    serial = models.CharField(max_length=80)  # lower-case hexadecimal without separators
    sha256 = models.CharField(max_length=64)  # of the leaf's DER, lower-case hexadecimal
    spki_sha256 = models.CharField(max_length=64)
    # None without a leaf. Typed as what they are of every other version: who may meet a draft looks at the status.
    not_before: models.DateTimeField[datetime, datetime] = models.DateTimeField(null=True)  # type: ignore[misc]
    not_after: models.DateTimeField[datetime, datetime] = models.DateTimeField(null=True)  # type: ignore[misc]
    key_type = models.CharField(max_length=20)  # rsa, ec-p256, ec-p384, ec-p521, ed25519, ed448
    key_bits = models.PositiveIntegerField()
    findings = models.JSONField(default=list)  # as shown when it was imported
    allowed_findings = models.JSONField(default=list)  # codes the importer insisted on
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150)
    turn = models.PositiveIntegerField(
        null=True, editable=False
    )  # grows with promotions; null: never active, or undone

    class Meta:
        ordering = ("certificate", "-number")
        constraints = (
            models.UniqueConstraint(name="version_number_once", fields=("certificate", "number")),
            models.UniqueConstraint(
                name="version_one_active", fields=("certificate",), condition=Q(status=VersionStatus.ACTIVE)
            ),
            models.UniqueConstraint(
                name="version_one_staged", fields=("certificate",), condition=Q(status=VersionStatus.STAGED)
            ),
            models.UniqueConstraint(
                name="version_one_draft_per_key",
                fields=("certificate", "spki_sha256"),
                condition=Q(status=VersionStatus.DRAFT),
            ),
            models.CheckConstraint(name="version_status_known", condition=Q(status__in=VersionStatus.values)),
            models.CheckConstraint(
                name="version_leaf_unless_draft",
                condition=Q(NO_LEAF, status=VersionStatus.DRAFT)
                | Q(NO_LEAF, status=VersionStatus.DESTROYED)
                | (A_LEAF & ~Q(status=VersionStatus.DRAFT)),
            ),
            models.CheckConstraint(name="version_number_from_one", condition=Q(number__gte=1)),
        )
        indexes = (
            models.Index(name="version_by_expiry", fields=("status", "not_after")),
            models.Index(name="version_by_sha256", fields=("sha256",)),
            models.Index(name="version_by_serial", fields=("serial",)),
            # Lists load the active versions of one page: without it SQLite reads all active ones. With the
            # expiry in it, it alone also answers how many of somebody's certificates expire when.
            models.Index(name="version_by_status", fields=("certificate", "status", "not_after")),
        )

    def __str__(self) -> str:
        return f"{self.certificate} version {self.number}"

    @property
    def has_leaf(self) -> bool:
        """False for a draft, and for one that was destroyed: what concerns the leaf is empty then."""
        return bool(self.sha256)


class CertificateRequest(models.Model):
    """What was sent to a CA for a version: the certificate signing request, without a challenge. Never changes."""

    version = models.OneToOneField(
        CertificateVersion, primary_key=True, on_delete=models.CASCADE, related_name="signing_request"
    )
    csr_der = models.BinaryField()  # PKCS#10 (RFC 2986)
    subject = models.TextField()  # RFC 4514
    sans = models.JSONField(default=list)  # dns:…, ip:…, email:…, uri:…, and what nobody types
    same_key = models.BooleanField(default=False)  # the key is that of the version it renews
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        return f"request for {self.version}"


class ChainRole(models.TextChoices):
    """What a certificate of the chain is."""

    INTERMEDIATE = "intermediate"
    ROOT = "root"


class ChainCertificate(models.Model):
    """An issuer certificate stored with a version: intermediates in sending order, then the root, which is not sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(CertificateVersion, on_delete=models.CASCADE, related_name="chain")
    position = models.PositiveSmallIntegerField()  # 1 is the leaf's issuer
    role = models.CharField(max_length=12, choices=ChainRole.choices)
    der = models.BinaryField()
    subject = models.TextField()
    issuer = models.TextField()
    serial = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()

    class Meta:
        ordering = ("version", "position")
        constraints = (
            models.UniqueConstraint(name="chain_position_once", fields=("version", "position")),
            models.UniqueConstraint(name="chain_one_root", fields=("version",), condition=Q(role=ChainRole.ROOT)),
            models.CheckConstraint(name="chain_role_known", condition=Q(role__in=ChainRole.values)),
            models.CheckConstraint(name="chain_position_from_one", condition=Q(position__gte=1)),
        )
        indexes = (models.Index(name="chain_by_expiry", fields=("not_after",)),)

    def __str__(self) -> str:
        return self.subject


Place = tuple[str, str, str, int]  # what an envelope is bound to: model, object, owner, version number


class SealedKey(models.Model):
    """A version's private key as an opaque envelope (`keyring.envelope`). Only `open_credential` reads it."""

    place_needs = ("version__certificate",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.OneToOneField(CertificateVersion, on_delete=models.PROTECT, related_name="sealed_key")
    envelope = models.BinaryField()
    key_id = models.CharField(max_length=40, db_index=True)  # of the key-encryption key that wraps it
    sealed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"private key of {self.version}"

    def place(self) -> Place:
        """Bound to the version's id: neither an envelope nor a whole row can be moved to another version."""
        bot_id = self.version.certificate.bot_id
        owner = str(bot_id) if bot_id else "platform"
        return "certificates.SealedKey", str(self.version_id), owner, self.version.number


class RetiredKey(models.Model):
    """A key-encryption key that seals nothing any more: triggers refuse rows that were sealed with it meanwhile.

    It stays here when it is dropped from the key file, because another host may still hold a copy of that file.
    """

    key_id = models.CharField(primary_key=True, max_length=40)
    retired_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.key_id


class TrustStore(Owned):
    """A named set of trust anchors used to verify servers. `revision` grows with every change."""

    page = "trust_store"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.PROTECT, related_name="trust_stores")
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OwnedQuerySet["TrustStore"].as_manager()

    class Meta(Owned.Meta):
        constraints = named_once("trust_store")


class TrustAnchor(models.Model):
    """One certificate of a trust store, root or not."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    trust_store = models.ForeignKey(TrustStore, on_delete=models.CASCADE, related_name="anchors")
    der = models.BinaryField()
    subject = models.TextField()
    issuer = models.TextField()
    serial = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()

    class Meta:
        ordering = ("trust_store", "subject")
        constraints = (models.UniqueConstraint(name="anchor_once", fields=("trust_store", "sha256")),)
        indexes = (models.Index(name="anchor_by_expiry", fields=("not_after",)),)

    def __str__(self) -> str:
        return self.subject


class WebhookTrust(models.Model):
    """Which trust store proves the server of a webhook. Without one, the system's authorities do."""

    endpoint = models.OneToOneField(WebhookEndpoint, primary_key=True, on_delete=models.CASCADE, related_name="trust")
    trust_store = models.ForeignKey(TrustStore, on_delete=models.PROTECT, related_name="webhooks")

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        """What uses a trust store is named by it."""
        return f"{self.endpoint.bot.slug if self.endpoint.bot else PLATFORM_SLUG}: webhook to {self.endpoint.host}"

    @property
    def bot_id(self) -> uuid.UUID | None:
        """Of its webhook."""
        return self.endpoint.bot_id
