"""The composition root of the URLs. Apps are included by string."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("botplatform.api")),  # first: addresses are compared in this order
    path("", include("botplatform.accounts.urls")),
    path("", include("botplatform.console.urls")),
    path("", include("botplatform.bots.urls")),
    path("", include("botplatform.audit.urls")),
    path("", include("botplatform.notifications.urls")),
    path("", include("certificates.urls")),
    path("", include("servicenodes.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "botplatform.console.errors.bad_request"
handler500 = "botplatform.console.errors.server_error"
