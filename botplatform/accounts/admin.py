"""Users in the Django admin. Every change goes through the services, so it is judged and on record."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from botplatform.accounts import services
from botplatform.accounts.actors import Actor
from botplatform.accounts.admin_base import ServiceModelAdmin
from botplatform.accounts.models import User


class UserForm(ModelForm[User]):
    """An account; the password is set, never shown."""

    new_password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Leave it empty to keep the present one.",
    )

    class Meta:
        model = User
        fields = ("username", "full_name", "email", "platform_role", "is_active")

    def clean_new_password(self) -> str:
        password = str(self.cleaned_data["new_password"])
        if not password and self.instance._state.adding:
            raise forms.ValidationError("A new user needs a password.")
        return password


@admin.register(User)
class UserAdmin(ServiceModelAdmin[User]):
    """Nobody is deleted: the trail names them. Switch them off instead."""

    form = UserForm
    list_display = ("username", "full_name", "platform_role", "is_active", "last_login")
    list_filter = ("platform_role", "is_active")
    search_fields = ("username", "full_name", "email")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return ("username",) if obj else ("is_active",)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_through_service(self, actor: Actor, obj: User, form: Any, *, change: bool) -> User:
        values = dict(form.cleaned_data)
        password = values.pop("new_password")
        if not change:
            values.pop("is_active", None)
            return services.create_user(actor=actor, password=password, **values)
        user = services.change_user(actor=actor, user=obj, **values)
        return services.change_password(actor=actor, user=user, password=password) if password else user
