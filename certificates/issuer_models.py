"""Issuers with their sealed secrets, and how each certificate is renewed. `certificates.models` loads them."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from botplatform.bots.models import PLATFORM_SLUG, Bot
from certificates.scopes import Owned, OwnedQuerySet, named_once


class IssuerKind(models.TextChoices):
    """How a CA is asked."""

    ACME = "acme", "ACME"
    VAULT = "vault", "Vault or OpenBao PKI"


class Challenge(models.TextChoices):
    """How the operator's hook proves to an ACME CA that a name is ours."""

    HTTP_01 = "http-01", "HTTP: a page at the name itself (http-01)"
    DNS_01 = "dns-01", "DNS: a TXT record beside the name (dns-01)"


class CertificateIssuer(Owned):
    """A CA that the product may ask to sign by itself. Its secrets are `IssuerSecret`s."""

    page = "issuer"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.PROTECT, related_name="issuers")
    kind = models.CharField(max_length=10, choices=IssuerKind.choices)
    url = models.CharField(max_length=500)  # of the ACME directory, or of the Vault server
    trust_store = models.ForeignKey(
        "certificates.TrustStore", null=True, blank=True, on_delete=models.PROTECT, related_name="issuers"
    )  # what its server is verified with; null: the system's
    challenge = models.CharField(max_length=10, choices=Challenge.choices, blank=True)  # ACME
    contact = models.EmailField(blank=True)  # ACME: whom the CA writes to
    eab_kid = models.CharField(max_length=200, blank=True)  # ACME: name of the key that the CA gave out
    mount = models.CharField(max_length=200, blank=True)  # Vault
    role = models.CharField(max_length=200, blank=True)  # Vault
    namespace = models.CharField(max_length=200, blank=True)  # Vault
    role_id = models.CharField(max_length=200, blank=True)  # Vault: of the AppRole; empty: a token
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150)

    objects = OwnedQuerySet["CertificateIssuer"].as_manager()

    class Meta(Owned.Meta):
        verbose_name = "issuer"
        constraints = (
            *named_once("issuer"),
            models.CheckConstraint(name="issuer_kind_known", condition=Q(kind__in=IssuerKind.values)),
            models.CheckConstraint(name="issuer_url_https", condition=Q(url__startswith="https://")),
        )


class SecretName(models.TextChoices):
    """What an issuer keeps secret."""

    ACCOUNT_KEY = "account_key", "account key"  # made here
    EAB_KEY = "eab_key", "key of the external account"
    TOKEN = "token", "token"
    SECRET_ID = "secret_id", "secret id of the AppRole"


class IssuerSecret(models.Model):
    """A secret of an issuer as an opaque envelope. Only `services.issuers` reads it; a new value is a new row."""

    place_needs = ("issuer",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    issuer = models.ForeignKey(CertificateIssuer, on_delete=models.CASCADE, related_name="secrets")
    name = models.CharField(max_length=20, choices=SecretName.choices)
    envelope = models.BinaryField()
    key_id = models.CharField(max_length=40, db_index=True)  # of the key-encryption key that wraps it
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("issuer", "name")
        constraints = (
            models.UniqueConstraint(name="issuer_secret_once", fields=("issuer", "name")),
            models.CheckConstraint(name="issuer_secret_known", condition=Q(name__in=SecretName.values)),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.issuer}"

    def place(self) -> tuple[str, str, str, int]:
        """Bound to the row, its issuer, its name and where it is sent: the address cannot be exchanged either."""
        owner = str(self.issuer.bot_id) if self.issuer.bot_id else PLATFORM_SLUG
        object_id = f"{self.pk}/{self.issuer_id}/{self.name}/{self.issuer.url}"
        return "certificates.IssuerSecret", object_id, owner, 0


class RenewalPolicyQuerySet(models.QuerySet["RenewalPolicy"]):
    """Reads of renewals."""

    def free(self, now: datetime) -> RenewalPolicyQuerySet:
        """Those with an issuer that no worker is at."""
        return self.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), issuer__isnull=False)

    def to_look_at(self, now: datetime) -> RenewalPolicyQuerySet:
        """Those whose time to be looked at has come; the oldest first."""
        return self.free(now).filter(look_at__lte=now).order_by("look_at")

    def to_promote(self) -> RenewalPolicyQuerySet:
        """Those that made a version which is to be promoted when all tests are green."""
        return self.filter(auto_promote=True, staged__isnull=False)

    def loaded(self) -> RenewalPolicyQuerySet:
        """With what a look at them needs, however many they are."""
        return self.select_related("issuer__bot", "issuer__trust_store", "certificate__bot", "draft")


class RenewalPolicy(models.Model):
    """How a certificate is renewed, as people chose it; and where its renewal is.

    Without an issuer it is renewed by hand. With a `draft` a renewal is under way.
    """

    certificate = models.OneToOneField(
        "certificates.ClientCertificate", primary_key=True, on_delete=models.CASCADE, related_name="renewal"
    )
    issuer = models.ForeignKey(CertificateIssuer, null=True, on_delete=models.PROTECT, related_name="policies")
    days_before = models.PositiveSmallIntegerField(null=True)  # null: when a third of its lifetime is left
    key_kind = models.CharField(max_length=10, default="ec-p256")  # of `pki.csr`
    auto_promote = models.BooleanField(default=False)  # when all tests are green

    look_at = models.DateTimeField(default=timezone.now)  # when the duty looks at it next
    lease_until = models.DateTimeField(null=True)  # a worker is at it
    asked_by = models.CharField(max_length=150, blank=True)  # who does not want to wait until it is due
    draft = models.ForeignKey(
        "certificates.CertificateVersion", null=True, on_delete=models.SET_NULL, related_name="+"
    )  # what is being signed
    resume = models.CharField(max_length=500, blank=True)  # what the issuer needs to go on
    attempt = models.PositiveSmallIntegerField(default=0)  # failed ones in a row
    tried_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # why the last attempt failed
    staged = models.ForeignKey(
        "certificates.CertificateVersion", null=True, on_delete=models.SET_NULL, related_name="+"
    )  # what the last renewal made, until something becomes of it
    standing = models.TextField(blank=True)  # why that was not promoted by itself
    window_start = models.DateTimeField(null=True)  # what the CA suggests for the active version (RFC 9773)
    window_end = models.DateTimeField(null=True)
    window_of = models.CharField(max_length=64, blank=True)  # SHA-256 of the certificate that it is about
    window_ask_at = models.DateTimeField(null=True)

    objects = RenewalPolicyQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(name="renewal_to_look_at", fields=("look_at",), condition=Q(issuer__isnull=False)),)
        verbose_name_plural = "renewal policies"

    def __str__(self) -> str:
        return f"renewal of {self.certificate_id}"

    @property
    def path(self) -> str:
        """Of its certificate: what uses an issuer is named by it."""
        return self.certificate.path

    @property
    def bot_id(self) -> uuid.UUID | None:
        """Of its certificate."""
        return self.certificate.bot_id
