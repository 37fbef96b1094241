"""Routes of the kit."""

from django.urls import URLPattern, path

from botplatform.console import views

app_name = "console"
urlpatterns: list[URLPattern] = [
    path("theme/", views.theme, name="theme"),
]
