"""Shapes of what people type about service nodes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.console.forms import SearchedChoiceField, offer_choices
from certificates.models import ClientCertificate, TrustStore
from servicenodes.models import Method, ServiceNode, TLSVersion

VERDICT_CHOICES = [("", "Any result"), ("accepted", "Accepted"), ("failing", "Failing"), ("never", "Never tested")]


def usable_by(bot: Bot) -> Q:
    """What a node of `bot` may use: the bot's own and the platform's."""
    return Q(bot=bot) | Q(bot__isnull=True)


def fits(word: str) -> Q:
    """Client certificates and trust stores whose path holds the word."""
    named = Q(name__icontains=word) | Q(bot__slug__icontains=word)
    return named | Q(bot__isnull=True) if word.lower() == PLATFORM_SLUG else named


class NodeForm(forms.Form):
    """One service node. `revision` is the one that was shown; it guards against lost updates."""

    name = forms.CharField(max_length=200, help_text="As the step is called in the bot, for example “Get balance”.")
    dialog = forms.CharField(max_length=200, required=False, help_text="The dialog task that this step belongs to.")
    slug = forms.CharField(
        max_length=63,
        required=False,
        label="Short name",
        help_text="For addresses and commands. Left empty, it is made from the name.",
    )
    method = forms.ChoiceField(choices=Method.choices)
    url = forms.CharField(max_length=2000, label="URL", widget=forms.URLInput(attrs={"placeholder": "https://…"}))
    headers = forms.CharField(
        required=False,
        max_length=20000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One per line, as “Name: value”.",
    )
    certificate = SearchedChoiceField(
        ClientCertificate.objects.none(),
        fits=fits,
        required=False,
        label="Client certificate",
        empty_label="The default applies",
    )
    trust_store = SearchedChoiceField(
        TrustStore.objects.none(),
        fits=fits,
        required=False,
        empty_label="The system’s authorities",
        help_text="Who must have signed the server’s certificate.",
    )
    server_name = forms.CharField(
        max_length=253, required=False, help_text="Only if the server’s certificate names another host than the URL."
    )
    min_tls = forms.ChoiceField(choices=TLSVersion.choices, label="At least")
    timeout_s = forms.IntegerField(min_value=1, max_value=60, label="Timeout in seconds")
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, bot: Bot, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        certificates = ClientCertificate.objects.filter(usable_by(bot)).select_related("bot")
        stores = TrustStore.objects.filter(usable_by(bot)).select_related("bot")
        self.fields["certificate"].queryset = certificates  # type: ignore[attr-defined]
        self.fields["trust_store"].queryset = stores  # type: ignore[attr-defined]
        offer_choices(self)

    def clean_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for line in filter(str.strip, self.cleaned_data["headers"].splitlines()):
            name, colon, value = line.partition(":")
            name = name.strip()
            if not colon or not name:
                raise forms.ValidationError(f"“{line.strip()[:40]}” is not of the form “Name: value”.")
            if name.lower() in {known.lower() for known in headers}:
                raise forms.ValidationError(f"The header {name} is given twice.")
            headers[name] = value.strip()
        return headers


def node_values(node: ServiceNode) -> dict[str, Any]:
    """The form's first values for an existing node."""
    names = ("name", "dialog", "slug", "method", "url", "server_name", "min_tls", "timeout_s", "revision")
    headers = "\n".join(f"{name}: {value}" for name, value in node.headers.items())
    owned = {"certificate": node.certificate_id, "trust_store": node.trust_store_id}
    return {name: getattr(node, name) for name in names} | owned | {"headers": headers}


class AttachForm(forms.Form):
    """Which certificate a node presents; none: the default applies."""

    certificate = SearchedChoiceField(
        ClientCertificate.objects.none(),
        fits=fits,
        required=False,
        label="Client certificate",
        empty_label="None of its own: the default applies",
    )

    def __init__(self, *args: Any, bot: Bot, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = ClientCertificate.objects.filter(usable_by(bot)).select_related("bot")
        self.fields["certificate"].queryset = usable  # type: ignore[attr-defined]
        offer_choices(self)


class AttachManyForm(forms.Form):
    """Which nodes get a certificate. The page draws the ticks itself."""

    nodes = forms.ModelMultipleChoiceField(
        ServiceNode.objects.none(), error_messages={"required": "Tick the service nodes that are to present it."}
    )

    def __init__(self, *args: Any, nodes: QuerySet[ServiceNode], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["nodes"].queryset = nodes  # type: ignore[attr-defined]


class NodeFilter(forms.Form):
    """Search of the list of service nodes."""

    q = forms.CharField(
        required=False,
        max_length=300,
        label="Search",
        widget=forms.TextInput(attrs={"placeholder": "Name, dialog, bot or host"}),
    )
    verdict = forms.ChoiceField(required=False, label="Last test", choices=VERDICT_CHOICES)
