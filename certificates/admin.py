"""Certificates and trust stores in the Django admin: facts to look at, never a key.

`SealedKey` is not registered on purpose. Importing and deleting belong to the console.
"""

from __future__ import annotations

from typing import cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from botplatform.accounts.admin_base import ReadOnlyModelAdmin
from certificates.issuer_models import CertificateIssuer
from certificates.models import (
    CertificateVersion,
    ChainCertificate,
    ClientCertificate,
    ClientCertificateQuerySet,
    TrustAnchor,
    TrustStore,
)
from certificates.pki import display, report

FACTS = ("subject", "issuer", "serial", "sha256", "begins", "ends")


class ValidityInUtc:
    """Django shows times in TIME_ZONE, where the last second of 9999 (“never expires”) may not exist."""

    @admin.display(description="not before", ordering="not_before")
    def begins(self, obj: CertificateVersion | ChainCertificate | TrustAnchor) -> str | None:
        return report.utc(obj.not_before) if obj.sha256 else None

    @admin.display(description="not after", ordering="not_after")
    def ends(self, obj: CertificateVersion | ChainCertificate | TrustAnchor) -> str | None:
        return report.utc(obj.not_after) if obj.sha256 else None  # a draft has no leaf


class ReadOnlyInline(ValidityInUtc, admin.TabularInline):  # type: ignore[type-arg]
    """Rows to look at."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class VersionInline(ReadOnlyInline):
    """The versions of a certificate."""

    model = CertificateVersion
    fields = readonly_fields = ("number", "status", "subject", "issuer", "ends", "created_by", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CertificateVersion]:
        """With what a version's own name needs; the rows below one certificate are many."""
        return super().get_queryset(request).select_related("certificate__bot").defer("leaf_der")


class ChainInline(ReadOnlyInline):
    """The chain of a version."""

    model = ChainCertificate
    fields = readonly_fields = ("position", "role", *FACTS)
    show_change_link = False


class AnchorInline(ReadOnlyInline):
    """The certificates of a trust store."""

    model = TrustAnchor
    fields = readonly_fields = FACTS
    show_change_link = False


@admin.register(ClientCertificate)
class ClientCertificateAdmin(ReadOnlyModelAdmin[ClientCertificate]):
    """Read-only; links to the console, where one imports."""

    fields = ("path", "is_default", "created_at", "in_the_console", "import_a_version")
    readonly_fields = ("path", "in_the_console", "import_a_version")
    list_display = ("path", "is_default", "active_number", "expires")
    list_filter = ("is_default", "bot")
    search_fields = ("name", "bot__slug", "versions__subject", "versions__serial", "versions__sha256")
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> ClientCertificateQuerySet:
        return cast(ClientCertificateQuerySet, super().get_queryset(request)).with_active_version()

    @admin.display(description="active version")
    def active_number(self, obj: ClientCertificate) -> int | None:
        return obj.active_version.number if obj.active_version else None

    @admin.display(description="expires")
    def expires(self, obj: ClientCertificate) -> str | None:
        return display.day(obj.active_version.not_after) if obj.active_version else None

    @admin.display(description="in the console")
    def in_the_console(self, obj: ClientCertificate) -> SafeString:
        return format_html('<a href="{}">Open {}</a>', obj.get_absolute_url(), obj.path)

    @admin.display(description="new version")
    def import_a_version(self, obj: ClientCertificate) -> SafeString:
        if obj.bot is None:
            url = reverse("certificates:platform_import")
        else:
            url = reverse("certificates:import", args=[obj.bot.slug])
        return format_html('<a href="{}?name={}">Import a version</a>', url, obj.name)


@admin.register(CertificateVersion)
class CertificateVersionAdmin(ValidityInUtc, ReadOnlyModelAdmin[CertificateVersion]):
    """Public facts of a version."""

    readonly_fields = ("begins", "ends")

    fields = (
        *("certificate", "number", "status", *FACTS, "spki_sha256", "key_type", "key_bits"),
        *("findings", "allowed_findings", "created_by", "created_at"),
    )
    list_display = ("certificate", "number", "status", "subject", "ends")
    list_filter = ("status", "key_type")
    list_select_related = ("certificate__bot",)
    search_fields = ("subject", "issuer", "serial", "sha256", "certificate__name")
    inlines = (ChainInline,)


@admin.register(TrustStore)
class TrustStoreAdmin(ReadOnlyModelAdmin[TrustStore]):
    """Read-only; anchors are imported in the console."""

    fields = ("path", "revision", "created_at")
    readonly_fields = ("path",)
    list_display = ("path", "revision", "created_at")
    list_select_related = ("bot",)
    search_fields = ("name", "bot__slug", "anchors__subject", "anchors__sha256")
    inlines = (AnchorInline,)


@admin.register(CertificateIssuer)
class CertificateIssuerAdmin(ReadOnlyModelAdmin[CertificateIssuer]):
    """Read-only and without secrets; issuers are made in the console."""

    fields = (
        *("path", "kind", "url", "trust_store", "challenge", "contact", "eab_kid"),
        *("mount", "role", "namespace", "role_id", "created_by", "created_at"),
    )
    readonly_fields = ("path",)
    list_display = ("path", "kind", "url", "created_at")
    list_filter = ("kind",)
    list_select_related = ("bot",)
    search_fields = ("name", "bot__slug", "url")
