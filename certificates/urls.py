"""Routes of certificates and trust stores; those of the platform have no bot."""

from django.urls import path

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
OF_BOT = "bots/<slug:bot>/"
urlpatterns = [
    path("certificates/", certificates.listing, name="list"),
    path("certificates/client-auth/", radar.radar, name="radar"),
    path("platform/certificates/import/", importing.import_page, name="platform_import"),
    path("platform/certificates/<slug:name>/", certificates.detail, name="platform_detail"),
    path("platform/certificates/<slug:name>/default/", defaults.default, name="platform_default"),
    path("platform/certificates/<slug:name>/fallback/", fallback.fallback, name="platform_fallback"),
    path("platform/certificates/<slug:name>/hosts/", hosts.allowed_hosts, name="platform_hosts"),
    path("platform/certificates/<slug:name>/responsible/", responsible.responsible, name="platform_responsible"),
    path("platform/certificates/<slug:name>/delete/", certificates.delete, name="platform_delete"),
    path(f"{OF_BOT}certificates/import/", importing.import_page, name="import"),
    path(f"{OF_BOT}certificates/<slug:name>/", certificates.detail, name="detail"),
    path(f"{OF_BOT}certificates/<slug:name>/default/", defaults.default, name="default"),
    path(f"{OF_BOT}certificates/<slug:name>/fallback/", fallback.fallback, name="fallback"),
    path(f"{OF_BOT}certificates/<slug:name>/hosts/", hosts.allowed_hosts, name="hosts"),
    path(f"{OF_BOT}certificates/<slug:name>/responsible/", responsible.responsible, name="responsible"),
    path(f"{OF_BOT}certificates/<slug:name>/delete/", certificates.delete, name="delete"),
    *(
        path(f"{start}versions/<int:number>/{address}", view, name=f"{whose}{route}")
        for start, whose in (
            ("platform/certificates/<slug:name>/", "platform_"),
            (f"{OF_BOT}certificates/<slug:name>/", ""),
        )
        for address, view, route in (
            ("hand-over/", handing_over.page, "hand_over"),
            ("hand-over.zip", handing_over.download, "hand_over_zip"),
        )
    ),
    path("platform/certificate-request/", requesting.request_page, name="platform_request_new"),
    path(f"{OF_BOT}certificate-request/", requesting.request_page, name="request_new"),
    *(
        path(f"{start}{address}", view, name=f"{whose}{route}")
        for start, whose in (
            ("platform/certificates/<slug:name>/", "platform_"),
            (f"{OF_BOT}certificates/<slug:name>/", ""),
        )
        for address, view, route in (
            ("reply/", completing.reply_page, "reply"),
            ("requests/<int:number>/", requesting.request_detail, "request"),
            ("requests/<int:number>/request.csr", requesting.request_file, "request_file"),
        )
    ),
    path("trust-stores/", trust_stores.listing, name="trust_stores"),
    path("platform/trust-stores/import/", trust_stores.import_page, name="platform_trust_store_import"),
    path("platform/trust-stores/<slug:name>/", trust_stores.detail, name="platform_trust_store"),
    path("platform/trust-stores/<slug:name>/delete/", trust_stores.delete, name="platform_trust_store_delete"),
    path(f"{OF_BOT}trust-stores/import/", trust_stores.import_page, name="trust_store_import"),
    path(f"{OF_BOT}trust-stores/<slug:name>/", trust_stores.detail, name="trust_store"),
    path(f"{OF_BOT}trust-stores/<slug:name>/delete/", trust_stores.delete, name="trust_store_delete"),
    path("platform/certificates/<slug:name>/renewal/", renewing.renewal, name="platform_renewal"),
    path("platform/certificates/<slug:name>/renewal/now/", renewing.panel, name="platform_renewal_panel"),
    path("platform/certificates/<slug:name>/renew/", renewing.renew, name="platform_renew"),
    path(f"{OF_BOT}certificates/<slug:name>/renewal/", renewing.renewal, name="renewal"),
    path(f"{OF_BOT}certificates/<slug:name>/renewal/now/", renewing.panel, name="renewal_panel"),
    path(f"{OF_BOT}certificates/<slug:name>/renew/", renewing.renew, name="renew"),
    path("platform/notifications/webhooks/<uuid:endpoint>/trust/", webhooks.trust, name="platform_webhook_trust"),
    path(f"{OF_BOT}notifications/webhooks/<uuid:endpoint>/trust/", webhooks.trust, name="webhook_trust"),
    path("issuers/", issuers.listing, name="issuers"),
    path("platform/issuers/create/<slug:kind>/", issuers.create, name="platform_issuer_create"),
    path("platform/issuers/<slug:name>/", issuers.detail, name="platform_issuer"),
    path("platform/issuers/<slug:name>/check/", issuers.check, name="platform_issuer_check"),
    path("platform/issuers/<slug:name>/delete/", issuers.delete, name="platform_issuer_delete"),
    path(f"{OF_BOT}issuers/create/<slug:kind>/", issuers.create, name="issuer_create"),
    path(f"{OF_BOT}issuers/<slug:name>/", issuers.detail, name="issuer"),
    path(f"{OF_BOT}issuers/<slug:name>/check/", issuers.check, name="issuer_check"),
    path(f"{OF_BOT}issuers/<slug:name>/delete/", issuers.delete, name="issuer_delete"),
]
