"""Routes of the kit."""

from django.urls import URLPattern, path

from botplatform.console import health, views

app_name = "console"
urlpatterns: list[URLPattern] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("theme/", views.theme, name="theme"),
]
