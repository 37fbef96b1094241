"""Shapes of what people type about service nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.console.forms import ManyFilesField, SearchedChoiceField, offer_choices
from certificates.models import ClientCertificate, TrustStore
from certificates.services.rotation import MAX_REASON
from servicenodes.definitions.files import MAX_BYTES
from servicenodes.models import MAX_BODY_LENGTH, ServiceNode, TLSVersion
from servicenodes.secret_headers import is_credential
from servicenodes.templating import METHODS

VERDICT_CHOICES = [
    ("", "Any result"),
    ("accepted", "Accepted"),
    ("failing", "Failing"),
    ("never", "Never tested"),
    ("needs_url", "Needs a URL"),
]


def usable_by(bot: Bot) -> Q:
    """What a node of `bot` may use: the bot's own and the platform's."""
    return Q(bot=bot) | Q(bot__isnull=True)


def fits(word: str) -> Q:
    """Client certificates and trust stores whose path holds the word."""
    named = Q(name__icontains=word) | Q(bot__slug__icontains=word)
    return named | Q(bot__isnull=True) if word.lower() == PLATFORM_SLUG else named


class HeadersInput(forms.Textarea):
    """Header lines. What was typed as the value of a credential is not sent back when the form is shown again."""

    def __init__(self, *, secret: bool = False) -> None:
        super().__init__(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"})
        self.secret = secret

    def format_value(self, value: Any) -> str:
        return "\n".join(self._line(line) for line in str(value or "").splitlines())

    def _line(self, line: str) -> str:
        name, colon, value = line.partition(":")
        return f"{name}:" if colon and (self.secret or (is_credential(name) and "{{" not in value)) else line


def header_lines(text: str) -> dict[str, str]:
    """Lines “Name: value” as a mapping. Raises Django's `ValidationError`."""
    headers: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name:
            shown = "A line" if is_credential(line) else f"“{line.strip()[:40]}”"
            raise forms.ValidationError(f"{shown} is not of the form “Name: value”.")
        if name.lower() in {known.lower() for known in headers}:
            raise forms.ValidationError(f"The header {name} is given twice.")
        headers[name] = value.strip()
    return headers


def method_choices(now: str) -> list[tuple[str, str]]:
    """The methods, and a variable: the one the node has, else one of the obvious name."""
    variable = now if "{{" in now else "{{method}}"
    return [*((name, name) for name in METHODS), (variable, f"{variable}, given with each call")]


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
    method = forms.ChoiceField()
    url = forms.CharField(
        max_length=2000,
        label="URL",
        widget=forms.URLInput(attrs={"placeholder": "https://…"}),
        help_text="Path and query may hold {{variables}}, filled in by each call.",
    )
    headers = forms.CharField(
        required=False,
        max_length=20000,
        widget=HeadersInput(),
        help_text="One per line, as “Name: value”. Values may hold {{variables}}.",
    )
    sealed_headers = forms.CharField(
        required=False,
        max_length=20000,
        label="Secret headers",
        widget=HeadersInput(secret=True),
        help_text=(
            "Values are sealed and never shown again; API keys and passwords typed above end up here too. "
            "“Name:” without a value keeps the value it has; a line taken out removes the header."
        ),
    )
    body = forms.CharField(
        required=False,
        max_length=MAX_BODY_LENGTH,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="What is sent unless the call brings its own. May hold {{variables}}.",
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
    require_mutual_tls = forms.BooleanField(
        required=False,
        label="Require mutual TLS: no call unless the server asks for the certificate",
    )
    timeout_s = forms.IntegerField(min_value=1, max_value=60, label="Timeout in seconds")
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, bot: Bot, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["method"].choices = method_choices(str(self.initial.get("method") or ""))  # type: ignore[attr-defined]
        certificates = ClientCertificate.objects.filter(usable_by(bot)).select_related("bot")
        stores = TrustStore.objects.filter(usable_by(bot)).select_related("bot")
        self.fields["certificate"].queryset = certificates  # type: ignore[attr-defined]
        self.fields["trust_store"].queryset = stores  # type: ignore[attr-defined]
        offer_choices(self)

    def clean_headers(self) -> dict[str, str]:
        return header_lines(self.cleaned_data["headers"])

    def clean_sealed_headers(self) -> dict[str, str | None]:
        """By name the new value, or None for the one it has."""
        return {name: value or None for name, value in header_lines(self.cleaned_data["sealed_headers"]).items()}

    def clean_body(self) -> str:
        return str(self.cleaned_data["body"]).replace("\r\n", "\n")


def node_values(node: ServiceNode) -> dict[str, Any]:
    """The form's first values for an existing node."""
    names = ("name", "dialog", "slug", "method", "url", "body", "server_name", "min_tls", "require_mutual_tls")
    headers = "\n".join(f"{name}: {value}" for name, value in node.headers.items())
    sealed = "\n".join(f"{header.name}:" for header in node.sealed_headers.only("name"))
    owned = {"certificate": node.certificate_id, "trust_store": node.trust_store_id}
    numbers = {"timeout_s": node.timeout_s, "revision": node.revision}
    lines = {"headers": headers, "sealed_headers": sealed}
    return {name: getattr(node, name) for name in names} | owned | numbers | lines


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


class CallForm(forms.Form):
    """A call to try: one field per variable of the node, and what to send in place of its body."""

    def __init__(self, *args: Any, variables: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = tuple(variables)
        for name in self.names:
            field = forms.CharField(required=False, strip=False, max_length=MAX_BODY_LENGTH, label=name)
            field.is_variable = True  # type: ignore[attr-defined]  # an empty text is a value, not one left out
            self.fields[f"var_{name}"] = field
        self.fields["payload"] = forms.CharField(
            required=False,
            strip=False,
            max_length=MAX_BODY_LENGTH,
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
            help_text="Sent as it is, in place of the node’s body.",
        )
        self.fields["content_type"] = forms.CharField(
            required=False, max_length=200, help_text="Of the payload, for example application/json."
        )

    @property
    def texts(self) -> dict[str, str]:
        """What was typed for each variable."""
        return {name: self.cleaned_data[f"var_{name}"] for name in self.names}


class AttachManyForm(forms.Form):
    """Which nodes get a certificate. The page draws the ticks itself."""

    nodes = forms.ModelMultipleChoiceField(
        ServiceNode.objects.none(), error_messages={"required": "Tick the service nodes that are to present it."}
    )

    def __init__(self, *args: Any, nodes: QuerySet[ServiceNode], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["nodes"].queryset = nodes  # type: ignore[attr-defined]


class DefinitionForm(forms.Form):
    """The export of a bot builder. `upload` is the sealed definition of the step before."""

    files = ManyFilesField(required=False, allow_empty_file=True, label="Files of the export")  # type: ignore[assignment]
    slug = forms.CharField(
        max_length=63,
        required=False,
        label="Short name of the bot",
        help_text="For addresses and commands. Left empty, it is made from the name of the bot.",
    )
    upload = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, bot: Bot | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        widget = self.fields["files"].widget
        widget.attrs["accept"] = ".zip,.json"
        widget.max_kb = MAX_BYTES // 1024
        if bot is not None:
            del self.fields["slug"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "files" in cleaned and not cleaned["files"] and not cleaned.get("upload"):
            self.add_error("files", "Choose the zip that the bot builder exported, or its JSON files.")
        return cleaned


class NodeFilter(forms.Form):
    """Search of the list of service nodes."""

    q = forms.CharField(
        required=False,
        max_length=300,
        label="Search",
        widget=forms.TextInput(attrs={"placeholder": "Name, dialog, bot or host"}),
    )
    verdict = forms.ChoiceField(required=False, label="Last test", choices=VERDICT_CHOICES)


class ReasonForm(forms.Form):
    """Why something is done that does not explain itself."""

    reason = forms.CharField(max_length=MAX_REASON, help_text="The audit trail keeps it.")
