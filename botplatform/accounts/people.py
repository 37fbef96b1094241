"""What administrators do about people: make them, change them, give them another password."""

from __future__ import annotations

import secrets
import uuid
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from botplatform.accounts import services
from botplatform.accounts.actors import Actor
from botplatform.accounts.forms import NewPersonForm, PasswordForm, PersonForm, person_values
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import Conflict, DomainError

MADE_BYTES = 15  # 120 bits, 20 characters


@sensitive_post_parameters("password")
@never_cache
@sensitive_variables("form", "values", "password")
@require_permission(Permission.USER_MANAGE)
@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A new user. A password that was made is shown in the answer and nowhere else."""
    form = NewPersonForm(request.POST or None)
    if form.is_valid():
        values = dict(form.cleaned_data)
        password = values.pop("password") or secrets.token_urlsafe(MADE_BYTES)
        try:
            user = services.create_user(actor=_actor(request), password=password, **values)
        except DomainError as error:
            show_error(form, error, field="username" if isinstance(error, Conflict) else None)
        else:
            return _done(request, user, password, form, f"{user.username} can sign in now.")
    return render(request, "accounts/new_person.html", {"form": form}, status=status_of(form))


@never_cache
@require_permission(Permission.USER_MANAGE)
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, user: uuid.UUID) -> HttpResponse:
    """Name, role, and whether somebody may sign in."""
    person = get_object_or_404(User, pk=user)
    form = PersonForm(request.POST or None, initial=person_values(person))
    if form.is_valid():
        try:
            services.change_user(actor=_actor(request), user=person, **form.cleaned_data)
        except DomainError as error:
            show_error(form, error)
        else:
            messages.success(request, f"{person.username} is changed.")
            return redirect("accounts:people")
    return _page(request, person, form, PasswordForm(), status_of(form))


@sensitive_post_parameters("password")
@never_cache
@sensitive_variables("form", "password")
@require_permission(Permission.USER_MANAGE)
@require_POST
def reset_password(request: HttpRequest, user: uuid.UUID) -> HttpResponse:
    """Another password; all sessions of that person end."""
    person = get_object_or_404(User, pk=user)
    form = PasswordForm(request.POST)
    if form.is_valid():
        password = form.cleaned_data["password"] or secrets.token_urlsafe(MADE_BYTES)
        try:
            services.change_password(actor=_actor(request), user=person, password=password)
        except DomainError as error:
            show_error(form, error, field="password")
        else:
            told = f"The password of {person.username} is changed, and their sessions have ended."
            return _done(request, person, password, form, told)
    return _page(request, person, PersonForm(initial=person_values(person)), form, status_of(form))


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(cast(User, request.user))


@sensitive_variables("password", "form")
def _done(
    request: HttpRequest, user: User, password: str, form: NewPersonForm | PasswordForm, told: str
) -> HttpResponse:
    """Back to the list; or the page that shows the password that was made, this once."""
    if form.cleaned_data["password"]:
        messages.success(request, told)
        return redirect("accounts:people")
    return render(request, "accounts/password_made.html", {"person": user, "password": password, "told": told})


def _page(
    request: HttpRequest, person: User, form: PersonForm, password_form: PasswordForm, status: int
) -> HttpResponse:
    context = {"person": person, "form": form, "password_form": password_form, "oneself": person == request.user}
    return render(request, "accounts/person.html", context, status=status)
