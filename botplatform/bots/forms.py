"""Shapes of what people type about bots and their people."""

from __future__ import annotations

from django import forms

from botplatform.accounts.models import User
from botplatform.bots.models import ROLE_CHOICES


class BotForm(forms.Form):
    """A new bot."""

    name = forms.CharField(max_length=200, help_text="As people call it, for example “Acme assistant”.")
    slug = forms.CharField(
        max_length=63,
        required=False,
        label="Short name",
        help_text="For addresses and commands: lower-case letters, digits and hyphens. Left empty, it is made from "
        "the name. It cannot be changed later.",
    )


class MemberForm(forms.Form):
    """Somebody joins a bot."""

    user = forms.CharField(max_length=150, label="User name", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=ROLE_CHOICES)

    def clean_user(self) -> User:
        found = User.objects.filter(username=self.cleaned_data["user"], is_active=True).first()
        if found is None:
            raise forms.ValidationError("Nobody with this user name can sign in. Check the spelling.")
        return found


class RoleForm(forms.Form):
    """A member's role."""

    role = forms.ChoiceField(choices=ROLE_CHOICES)
