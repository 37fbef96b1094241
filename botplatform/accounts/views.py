"""Signing in and out, one's own password, and the list of people."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from botplatform.accounts import services
from botplatform.accounts.actors import Actor
from botplatform.accounts.forms import SignInForm
from botplatform.accounts.models import User
from botplatform.bots.access import ViewFunction, public, require_permission
from botplatform.bots.roles import Permission
from botplatform.errors import InvalidInput

PEOPLE_PER_PAGE = 50


class SignInView(LoginView):
    """Django's own form; what comes of it goes on record."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            services.record_sign_in(user=form.get_user(), address=_address(self.request))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        if not form.has_error("username") and not form.has_error("password"):  # both were given, and did not match
            username = form.cleaned_data.get("username", "")
            services.record_failed_sign_in(username=username, address=_address(self.request))
        return super().form_invalid(form)


sign_in = public(cast(ViewFunction, SignInView.as_view()))


@public
@require_POST
@never_cache
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session; without one there is nothing to end."""
    with transaction.atomic():
        if isinstance(request.user, User):
            services.record_sign_out(user=request.user)
        logout(request)
    return redirect("accounts:sign_in")


@sensitive_post_parameters()
@never_cache
@sensitive_variables("form")
@require_permission(Permission.CONSOLE)
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; the other sessions of the same person end."""
    user = cast(User, request.user)
    form = PasswordChangeForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.change_password(
                actor=Actor.of(user), user=user, password=form.cleaned_data["new_password1"]
            )
        except InvalidInput as error:
            form.add_error("new_password1", error.text)
        else:
            update_session_auth_hash(request, changed)
            messages.success(request, "Your password is changed.")
            return redirect("servicenodes:overview")
    return render(request, "accounts/password.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
@require_permission(Permission.PLATFORM_VIEW)
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who can sign in, with their roles."""
    users = User.objects.prefetch_related("memberships__bot")
    page = Paginator(users, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    may_manage = Permission.USER_MANAGE in request.permissions  # type: ignore[attr-defined]
    return render(request, "accounts/people.html", {"page": page, "may_manage": may_manage})


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
