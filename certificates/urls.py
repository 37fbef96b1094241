"""Routes of certificates and trust stores; those of the platform have no bot."""

from django.urls import path

from botplatform.console.routes import owned
from certificates.views import (
    certificates,
    completing,
    defaults,
    fallback,
    handing_over,
    hosts,
    importing,
    issuers,
    radar,
    renewing,
    requesting,
    responsible,
    trust_stores,
    webhooks,
)

app_name = "certificates"
CERTIFICATE = "certificates/<slug:name>/"
TRUST_STORE = "trust-stores/<slug:name>/"
ISSUER = "issuers/<slug:name>/"
urlpatterns = [
    path("certificates/", certificates.listing, name="list"),
    path("certificates/client-auth/", radar.radar, name="radar"),
    *owned("certificates/import/", importing.import_page, "import"),
    *owned("certificate-request/", requesting.request_page, "request_new"),
    *owned(CERTIFICATE, certificates.detail, "detail"),
    *owned(f"{CERTIFICATE}default/", defaults.default, "default"),
    *owned(f"{CERTIFICATE}fallback/", fallback.fallback, "fallback"),
    *owned(f"{CERTIFICATE}hosts/", hosts.allowed_hosts, "hosts"),
    *owned(f"{CERTIFICATE}responsible/", responsible.responsible, "responsible"),
    *owned(f"{CERTIFICATE}delete/", certificates.delete, "delete"),
    *owned(f"{CERTIFICATE}reply/", completing.reply_page, "reply"),
    *owned(f"{CERTIFICATE}requests/<int:number>/", requesting.request_detail, "request"),
    *owned(f"{CERTIFICATE}requests/<int:number>/request.csr", requesting.request_file, "request_file"),
    *owned(f"{CERTIFICATE}versions/<int:number>/hand-over/", handing_over.page, "hand_over"),
    *owned(f"{CERTIFICATE}versions/<int:number>/hand-over.zip", handing_over.download, "hand_over_zip"),
    *owned(f"{CERTIFICATE}renewal/", renewing.renewal, "renewal"),
    *owned(f"{CERTIFICATE}renewal/now/", renewing.panel, "renewal_panel"),
    *owned(f"{CERTIFICATE}renew/", renewing.renew, "renew"),
    path("trust-stores/", trust_stores.listing, name="trust_stores"),
    *owned("trust-stores/import/", trust_stores.import_page, "trust_store_import"),
    *owned(TRUST_STORE, trust_stores.detail, "trust_store"),
    *owned(f"{TRUST_STORE}delete/", trust_stores.delete, "trust_store_delete"),
    path("issuers/", issuers.listing, name="issuers"),
    *owned("issuers/create/<slug:kind>/", issuers.create, "issuer_create"),
    *owned(ISSUER, issuers.detail, "issuer"),
    *owned(f"{ISSUER}check/", issuers.check, "issuer_check"),
    *owned(f"{ISSUER}delete/", issuers.delete, "issuer_delete"),
    *owned("notifications/webhooks/<uuid:endpoint>/trust/", webhooks.trust, "webhook_trust"),
]
