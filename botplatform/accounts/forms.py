"""Shapes of what administrators type about people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from botplatform.accounts.models import PlatformRole, User

LEFT_EMPTY = "At least 12 characters. Left empty, one is made and shown once."


def password_field() -> forms.CharField:
    """A password one may leave to the console."""
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(required=False, strip=False, max_length=1024, widget=widget, help_text=LEFT_EMPTY)


class PersonForm(forms.Form):
    """Somebody who can sign in."""

    full_name = forms.CharField(max_length=150, required=False)
    email = forms.EmailField(max_length=254, required=False, label="Email")
    platform_role = forms.ChoiceField(
        choices=PlatformRole.choices,
        required=False,
        help_text="An administrator may do everything, an auditor reads everything. Roles on a bot are given there.",
    )
    is_active = forms.BooleanField(required=False, label="May sign in")


class NewPersonForm(PersonForm):
    """Somebody new."""

    username = forms.CharField(max_length=150, label="User name", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    password = password_field()
    is_active = None  # type: ignore[assignment]
    field_order = ("username", "full_name", "email", "platform_role", "password")


class SignInForm(AuthenticationForm):
    """Django's own, in the console's words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"
        wrong = "User name or password is wrong. Capitals count in both."
        self.error_messages = {**self.error_messages, "invalid_login": wrong}


class PasswordForm(forms.Form):
    """Another password for somebody."""

    password = password_field()


def person_values(user: User) -> dict[str, object]:
    """The form's first values for an existing user."""
    return {name: getattr(user, name) for name in PersonForm.base_fields}
