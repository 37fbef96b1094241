"""Shapes of what people type about bots, their people, and API tokens."""

from __future__ import annotations

from uuid import uuid4

from django import forms

from botplatform.accounts.models import User
from botplatform.bots.models import ROLE_CHOICES
from botplatform.bots.roles import TOKEN_PERMISSIONS, Permission


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


# What a token may be given, in words. A permission without words is offered by its name.
PERMISSION_WORDS = {
    Permission.VIEW: "Look at bots, service nodes, certificates and tests",
    Permission.NODE_INVOKE: "Call service nodes",
    Permission.NODE_TEST: "Test connections",
    Permission.NODE_CHANGE: "Create, change and delete service nodes",
    Permission.NODE_ATTACH: "Attach certificates to service nodes",
    Permission.CERTIFICATE_IMPORT: "Import, delete and choose certificates",
    Permission.TRUST_STORE_IMPORT: "Import and delete trust stores",
    Permission.BOT_CHANGE: "Rename bots",
    Permission.BOT_CREATE: "Create and delete bots",
    Permission.AUDIT_VIEW: "Read the audit trail",
}
LIFETIMES = (("7", "a week"), ("30", "30 days"), ("90", "90 days"), ("180", "half a year"), ("365", "a year"))


def permission_choices() -> list[tuple[str, str]]:
    """The permissions a token can carry, the usual ones first."""
    order = list(PERMISSION_WORDS)
    known = sorted(TOKEN_PERMISSIONS, key=lambda one: (order.index(one) if one in order else len(order), one))
    return [(one.value, f"{PERMISSION_WORDS.get(one, 'Other')} ({one.value})") for one in known]


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(max_length=100, help_text="Which program uses it, for example “nightly import”.")
    all_bots = forms.BooleanField(
        required=False, label="For all bots that you see, now and later, and for what belongs to the platform"
    )
    bots = forms.CharField(
        required=False,
        max_length=4000,
        label="Only for these bots",
        help_text="Short names, separated by spaces or commas.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    permissions = forms.MultipleChoiceField(
        choices=permission_choices,
        widget=forms.CheckboxSelectMultiple,
        label="What it may do",
        help_text="Never more than you may do yourself, at the moment of use.",
    )
    days = forms.ChoiceField(choices=LIFETIMES, initial="90", label="It expires after")
    form_id = forms.UUIDField(required=False, widget=forms.HiddenInput, initial=uuid4)  # sent twice, it makes one token

    def clean_bots(self) -> list[str]:
        return list(dict.fromkeys(self.cleaned_data["bots"].replace(",", " ").split()))
