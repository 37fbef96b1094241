"""Shapes of what people type about issuers, renewals, and the trust of webhooks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.db.models import Q

from botplatform.bots.models import Bot, validate_slug
from botplatform.console.forms import SearchedChoiceField, check_fields, offer_choices
from certificates.issuer_models import CertificateIssuer, Challenge, IssuerKind, RenewalPolicy
from certificates.models import TrustStore
from certificates.pki import display
from certificates.pki.csr import KeyKind
from certificates.pki.secret import Secret
from certificates.services.issuers import OPTIONS, address, check_secret, option
from certificates.services.renewal_policies import MOST_DAYS

URL_HELP = {
    IssuerKind.ACME: "The CA’s directory, for example https://ca.example/acme/directory. Creating the issuer accepts "
    "the CA’s terms of service.",
    IssuerKind.VAULT: "Of the server, for example https://vault.example:8200.",
}
SECRET_LABELS = {IssuerKind.ACME: "External account’s key", IssuerKind.VAULT: "Token, or secret id of the AppRole"}
SEALED_HELP = "It is sealed like a private key and never shown again."


def secret_field(label: str, *, required: bool) -> forms.CharField:
    """A secret that no browser keeps."""
    widget = forms.PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=required, max_length=4096, widget=widget, help_text=SEALED_HELP)


class IssuerForm(forms.Form):
    """A new issuer of one kind; the fields of the other kinds are left out."""

    name = forms.CharField(
        max_length=63,
        validators=[validate_slug],
        help_text="Lower-case letters, digits and hyphens, for example “company-ca”.",
    )
    url = forms.CharField(max_length=500, label="Address")
    trust_store = SearchedChoiceField(
        queryset=TrustStore.objects.none(),
        required=False,
        empty_label="The system’s authorities",
        fits=lambda word: Q(name__contains=word.lower()) | Q(bot__slug__contains=word.lower()),
        help_text="Whom the CA’s own server must be signed by.",
    )
    challenge = forms.ChoiceField(
        choices=Challenge.choices, help_text="How the operator’s hook proves that a name is yours."
    )
    contact = forms.EmailField(required=False, help_text="A mail address that the CA may write to.")
    eab_kid = forms.CharField(
        required=False,
        max_length=200,
        label="External account’s key id",
        help_text="Only if the CA gave you a key id and a key for an external account.",
    )
    mount = forms.CharField(max_length=200, help_text="Path of the PKI engine, for example “pki”.")
    role = forms.CharField(max_length=200, help_text="The role of that engine that signs.")
    namespace = forms.CharField(required=False, max_length=200)
    role_id = forms.CharField(
        required=False,
        max_length=200,
        label="AppRole’s role id",
        help_text="Given, it signs in with this AppRole; otherwise with a token.",
    )
    secret = forms.CharField()

    def __init__(self, *args: Any, kind: IssuerKind, owner: Bot | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {name for names in OPTIONS.values() for name in names} - set(OPTIONS[kind]):
            del self.fields[name]
        self.fields["url"].help_text = URL_HELP[kind]
        self.fields["secret"] = secret_field(SECRET_LABELS[kind], required=kind == IssuerKind.VAULT)
        usable = TrustStore.objects.usable_by(owner).select_related("bot")
        self.fields["trust_store"].queryset = usable  # type: ignore[attr-defined]
        self.options = tuple(OPTIONS[kind])
        offer_choices(self)

    def clean(self) -> dict[str, Any]:
        """Whatever is wrong is told at once: the secret has to be typed again each time."""
        cleaned = super().clean() or self.cleaned_data
        checks: dict[str, Callable[[str], object]] = {name: partial(option, name) for name in self.options}
        check_fields(self, {**checks, "url": address, "secret": lambda typed: check_secret(Secret(typed.encode()))})
        return cleaned


class SecretForm(forms.Form):
    """A new value for an issuer's secret."""

    def __init__(self, *args: Any, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret"] = secret_field(f"New {label}", required=True)

    @property
    def value(self) -> Secret:
        return Secret(str(self.cleaned_data["secret"]).encode())


class WebhookTrustForm(forms.Form):
    """By what the server of a webhook is proven."""

    trust_store = SearchedChoiceField(
        queryset=TrustStore.objects.none(),
        required=False,
        empty_label="The system’s authorities",
        fits=lambda word: Q(name__contains=word.lower()) | Q(bot__slug__contains=word.lower()),
        help_text="For a receiver whose certificate is of a company’s own CA.",
    )

    def __init__(self, *args: Any, owner: Bot | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = TrustStore.objects.usable_by(owner).select_related("bot")
        self.fields["trust_store"].queryset = usable  # type: ignore[attr-defined]
        offer_choices(self)


class RenewalForm(forms.Form):
    """How a certificate is renewed."""

    issuer = SearchedChoiceField(
        queryset=CertificateIssuer.objects.none(),
        required=False,
        empty_label="By hand: only reminders",
        label="Signed by",
        fits=lambda word: Q(name__contains=word.lower()) | Q(bot__slug__contains=word.lower()),
    )
    days_before = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_DAYS,
        label="Days before it expires",
        help_text="Empty: when a third of its lifetime is left, however long or short it lives.",
    )
    key_kind = forms.ChoiceField(choices=[(kind.value, display.kind_label(kind)) for kind in KeyKind], label="New key")
    auto_promote = forms.BooleanField(required=False, label="Promote it when all tests are green")

    def __init__(self, *args: Any, owner: Bot | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = CertificateIssuer.objects.usable_by(owner).select_related("bot")
        self.fields["issuer"].queryset = usable  # type: ignore[attr-defined]
        offer_choices(self)


def initial_renewal(policy: RenewalPolicy | None) -> dict[str, Any]:
    """The form's first values."""
    if policy is None:
        return {"key_kind": KeyKind.EC_P256.value}
    return {
        "issuer": policy.issuer_id,
        "days_before": policy.days_before,
        "key_kind": policy.key_kind,
        "auto_promote": policy.auto_promote,
    }
