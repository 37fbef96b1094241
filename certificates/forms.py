"""Shapes of what people type and send about certificates and trust stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings

from botplatform.bots.models import validate_slug
from botplatform.console.forms import ManyFilesField, check_fields
from certificates.models import CertificateVersion, ClientCertificate
from certificates.pki import display
from certificates.pki.csr import KeyKind, challenge_value
from certificates.pki.inspection import Finding, Severity
from certificates.pki.secret import Secret
from certificates.pki.subjects import EXAMPLE, KINDS, MAX_SUBJECT_CHARACTERS, Asked, parse_san, parse_subject
from certificates.services.fallback import MOST_DAYS

IMPORT_PAGE = "import"
NAME_HELP = "Lower-case letters, digits and hyphens, for example “bank-api”. Nodes are attached to this name."


def lines(text: str) -> list[str]:
    """What stands in a box with one thing a line. A space within a line is for the service to refuse."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_total(files: list[Any]) -> None:
    """What is sent twice must fit into the second form too."""
    if sum(file.size or 0 for file in files) > settings.MAX_UPLOAD_KB * 1024 * 4:
        raise forms.ValidationError(f"The files hold more than {settings.MAX_UPLOAD_KB * 4} KB together.")


class PileForm(forms.Form):
    """Files that are looked at first and saved then. `upload` is the sealed pile of the step before."""

    missing = "Choose the files that hold the certificate and its private key."
    accepted = ".p12,.pfx,.pem,.crt,.cer,.der,.key,.p7b,.p7c,.p8"

    files = ManyFilesField(required=False, allow_empty_file=True, label="Files")  # type: ignore[assignment]
    upload = forms.CharField(required=False, widget=forms.HiddenInput)
    allow = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Import all the same, although:"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["files"].widget.attrs["accept"] = self.accepted
        sent = self.data.getlist("allow") if hasattr(self.data, "getlist") else []
        self.fields["allow"].choices = [(code, code) for code in sent]  # type: ignore[attr-defined]

    def clean_files(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["files"]
        check_total(files)
        return files

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "files" in cleaned and not cleaned["files"] and not cleaned.get("upload"):
            self.add_error("files", self.missing)
        return cleaned

    def offer(self, findings: Iterable[Finding]) -> None:
        """One tick per finding that refuses the import."""
        refusing = [(found.code, found.text) for found in findings if found.severity is Severity.ERROR]
        self.fields["allow"].choices = refusing  # type: ignore[attr-defined]


class ImportForm(PileForm):
    """Files, their passphrase, and what to do with them."""

    passphrase = forms.CharField(
        required=False,
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="If the file needs one. It is used once and never stored.",
    )
    name = forms.CharField(max_length=63, label="Certificate name", help_text=NAME_HELP)
    make_default = forms.BooleanField(required=False, label="Make it the default")
    stage = forms.BooleanField(required=False, label="Only stage it: keep the present version active")

    def __init__(self, *args: Any, owner_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["make_default"].label = f"Make it the default of {owner_name}"

    def keep_passphrase(self) -> None:
        """It travels on with the files, so nobody has to type it again."""
        self.fields["passphrase"].is_kept = True  # type: ignore[attr-defined]  # for `field.html`
        self["passphrase"].help_text = "What you typed is kept with the files, sealed. Type another only to replace it."

    def clean_name(self) -> str:
        """Told with the files still at hand: the preview is not the place to learn that nothing can be saved."""
        name = str(self.cleaned_data["name"])
        validate_slug(name)
        if name == IMPORT_PAGE:
            raise forms.ValidationError(f"“{name}” is a page of the console; choose another name.")
        return name


class ReplyForm(PileForm):
    """What the CA sent back."""

    missing = "Choose the file that the CA sent."
    accepted = ".pem,.crt,.cer,.der,.p7b,.p7c"


SAME_KEY = "same"
SUBJECT_HELP = f"In RFC 4514 form, for example “{EXAMPLE}”. Ask the CA what it wants there."
KEY_REMARKS = {KeyKind.EC_P256: " (recommended)", KeyKind.ED25519: " (few CAs sign it)"}
KEY_CHOICES = [(kind.value, display.kind_label(kind) + KEY_REMARKS.get(kind, "")) for kind in KeyKind]

SAN_HELP = f"One a line: {KINDS}. A bare value is a DNS name or an IP address."


class RequestForm(forms.Form):
    """Whom the certificate is to be for, and which key it is for. `renews` is the version whose place it takes.

    `past` are its names: prefilled but for those that cannot be typed. `named`: the form is shown with them.
    """

    name = forms.CharField(max_length=63, label="Certificate name", validators=[validate_slug], help_text=NAME_HELP)
    subject = forms.CharField(
        required=False,
        max_length=MAX_SUBJECT_CHARACTERS,
        error_messages={"required": f"The subject is missing: write it as {EXAMPLE}."},
        help_text=SUBJECT_HELP,
    )
    san = forms.CharField(
        required=False,
        max_length=20_000,
        label="Alternative names",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=SAN_HELP,
    )
    key = forms.ChoiceField(choices=KEY_CHOICES, label="Key", initial=KeyKind.EC_P256.value)
    challenge = forms.CharField(
        required=False,
        max_length=255,
        label="Challenge password",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Only if the CA gave you one. It is in the request that is shown once, and never stored.",
    )

    def __init__(
        self,
        *args: Any,
        renews: CertificateVersion | None,
        past: Asked | None = None,
        named: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        typed = past.typed_sans if past else []
        silent = [name for name in past.san_texts if name not in typed] if past else []
        if past is not None:
            self.initial = {**self.initial, "subject": past.typed_subject, "san": "\n".join(typed)}
        self.fields["subject"].required = renews is None
        if renews is not None:
            blank = f"Left blank: as in version {renews.number}."
            self.fields["subject"].help_text = f"{blank} {SUBJECT_HELP}"
            if not named:  # nothing was prefilled that somebody could have taken out
                self.fields["san"].help_text = f"{blank} {SAN_HELP}"
            elif silent:
                self.fields["san"].help_text = f"{SAN_HELP} Left as they are, these stay too: {', '.join(silent)}."
            choices = [*KEY_CHOICES, (SAME_KEY, f"The key of version {renews.number}, if the CA demands it")]
            self.fields["key"].choices = choices  # type: ignore[attr-defined]
        if named:
            self.fields["name"].widget = forms.HiddenInput()

    @property
    def san_changed(self) -> bool:
        """Whether other names were typed than stood there. Browsers send other line ends than they were given."""
        return bool(self.cleaned_data["san"] != lines(self["san"].initial or ""))

    def clean_san(self) -> list[str]:
        return lines(self.cleaned_data["san"])

    def clean(self) -> dict[str, Any]:
        """All at once: the challenge has to be typed again each time."""
        cleaned = super().clean() or self.cleaned_data
        checks = {
            "subject": parse_subject,
            "san": lambda typed: [parse_san(san) for san in typed],
            "challenge": lambda typed: challenge_value(Secret(typed.encode())),
        }
        check_fields(self, checks)
        return cleaned

    @property
    def same_key(self) -> bool:
        return bool(self.cleaned_data["key"] == SAME_KEY)

    @property
    def kind(self) -> KeyKind:
        """The key to make; of no meaning with the same key."""
        return KeyKind.EC_P256 if self.same_key else KeyKind(self.cleaned_data["key"])


class TrustStoreForm(forms.Form):
    """Certificates of the authorities that sign the servers."""

    name = forms.CharField(
        max_length=63, help_text="Lower-case letters, digits and hyphens. An existing name is added to."
    )
    files = ManyFilesField(  # type: ignore[assignment]
        allow_empty_file=True,  # the reader names it
        label="Certificate files",
        help_text="PEM, DER or PKCS#7, one file or several.",
    )

    def clean_files(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["files"]
        check_total(files)
        return files


class AllowedHostsForm(forms.Form):
    """The hosts a certificate may be presented to."""

    allowed_hosts = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="One host name per line, for example “api.bank.example”. Empty: any host that a node calls.",
    )

    def clean_allowed_hosts(self) -> list[str]:
        return lines(self.cleaned_data["allowed_hosts"])


class ResponsibleForm(forms.Form):
    """Who looks after a certificate."""

    responsible = forms.EmailField(
        required=False,
        max_length=254,
        label="Mail address",
        help_text="Is told of this certificate beside the owners and certificate managers of its bot.",
    )


class FallbackForm(forms.Form):
    """How long calls may fall back after a promotion."""

    fallback_days = forms.IntegerField(
        min_value=0,
        max_value=MOST_DAYS,
        label="Days after a promotion",
        help_text="0: calls never fall back. Another number also opens a window now, if there is a version before.",
    )


class CertificateFilter(forms.Form):
    """Search of the list of certificates."""

    q = forms.CharField(
        required=False,
        max_length=300,
        label="Search",
        widget=forms.TextInput(attrs={"placeholder": "Name, subject, issuer, serial or fingerprint"}),
    )
    show = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[
            ("", "All"),
            ("expiring", "Expired, or within 30 days"),
            ("expired", "Expired only"),
            ("default", "Defaults"),
        ],
    )


def initial_name(certificate: ClientCertificate | None) -> dict[str, str]:
    """The form's first values for a new version of `certificate`."""
    return {"name": certificate.name} if certificate else {}
