"""The Django admin with our name on it, and with the console's own doors for signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from botplatform.accounts import views


class ConsoleAdminSite(AdminSite):
    """Signing in, signing out and changing a password happen where they are put on record."""

    site_header = site_title = "Botplatform administration"
    index_title = "Everything, for people who fix data"
    site_url = "/"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leave out what other packages offer, groups and queue rows: changing those would go through no service."""
        if admin_class is None or not admin_class.__module__.startswith(("django.", "django_tasks_db.")):
            super().register(model_or_iterable, admin_class, **options)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.user.is_authenticated and request.user.is_active and not self.has_permission(request):
            messages.info(
                request, "The Django admin is for platform administrators and auditors; you have neither role."
            )
            return redirect("servicenodes:overview")
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return views.sign_out(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("accounts:password")
