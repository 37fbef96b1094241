"""What the forms of every app share: file fields, and expected errors shown beside the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile as DjangoFile
from django.db.models import Q
from django.http import HttpRequest

from botplatform.errors import DomainError, InvalidInput, NotAllowed, NotFound

MAX_FILES = 20
CHOICES_OFFERED = 50
FIND, ENTER = "find", "enter"  # the buttons `act`: narrow a list of choices instead of saving; what Enter presses


class ManyFilesInput(forms.ClearableFileInput):
    """A file input for several files."""

    allow_multiple_selected = True
    max_kb: int | None = None  # None: as for certificates

    def build_attrs(self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None) -> dict[str, Any]:
        """With the limits, so that the page can tell before anything is sent."""
        limits = {"data-max-kb": self.max_kb or settings.MAX_UPLOAD_KB, "data-max-files": MAX_FILES}
        return super().build_attrs(base_attrs, extra_attrs) | limits


class ManyFilesField(forms.FileField):
    """Several uploaded files as a list; empty when none was chosen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=ManyFilesInput(), **options)

    def clean(self, data: Any, initial: Any = None) -> list[DjangoFile]:
        files = data if isinstance(data, list | tuple) else [data] if data else []
        if len(files) > MAX_FILES:
            raise forms.ValidationError(f"Choose at most {MAX_FILES} files.")
        if not files:
            super().clean(None, initial)
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


class SearchedChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice among many rows: the first that fit a search are offered, any of the queryset is accepted.

    `fits` makes the condition for one word of the search. `field.html` shows the search when there are more rows.
    """

    def __init__(self, *args: Any, fits: Callable[[str], Q], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fits = fits
        self.search: dict[str, Any] | None = None

    def offer(self, name: str, values: dict[str, Any]) -> None:
        """Fill the list: what is chosen, then what fits `find_<name>`, both as in `values`."""
        text = str(values.get(f"find_{name}") or "").strip()[:300]
        wanted = Q()
        for word in text.replace("/", " ").split():
            wanted &= self.fits(word)
        rows = list(self.queryset.filter(wanted)[: CHOICES_OFFERED + 1])  # type: ignore[union-attr]
        if text or len(rows) > CHOICES_OFFERED:
            self.search = {"name": f"find_{name}", "text": text, "found": len(rows), "offered": CHOICES_OFFERED}
        rows = rows[:CHOICES_OFFERED]
        chosen = self._chosen(values.get(name))
        rows += [chosen] if chosen is not None and chosen not in rows else []
        self.widget.choices = [("", self.empty_label), *((row.pk, self.label_from_instance(row)) for row in rows)]

    def _chosen(self, value: Any) -> Any:
        try:
            return self.to_python(value)
        except ValidationError:
            return None  # told when the form is sent


def offer_choices(form: forms.BaseForm) -> None:
    """Fill the lists of all searched fields. Call it once their querysets are set."""
    values = form.data.dict() if hasattr(form.data, "dict") else dict(form.data)
    for name, field in form.fields.items():
        if isinstance(field, SearchedChoiceField):
            field.offer(name, values if form.is_bound else dict(form.initial))


def filled(request: HttpRequest, first: dict[str, Any]) -> dict[str, Any]:
    """A form's arguments: what was sent; or, while somebody narrows a list, the same as first values, unjudged."""
    sent, act = request.POST.dict(), request.POST.get("act")
    if act == FIND or (
        act == ENTER and any(sent[name] != sent.get(f"was_{name}") for name in sent if name[:5] == "find_")
    ):
        return {"data": None, "initial": sent}
    return {"data": request.POST or None, "initial": first}


def check_fields(form: forms.BaseForm, checks: Mapping[str, Callable[[Any], object]]) -> None:
    """Judge what was typed in each field by the check of a service, so that all errors are told at once."""
    for name, check in checks.items():
        try:
            if value := form.cleaned_data.get(name):
                check(value)
        except InvalidInput as error:
            form.add_error(name, error.beside)


def show_error(form: forms.BaseForm, error: DomainError, *, field: str | None = None) -> None:
    """Put an expected error beside its field. What the user may not do, or see, stays a page of its own."""
    if isinstance(error, NotAllowed | NotFound):
        raise error
    named = field or getattr(error, "field", None)
    shown = named if named in form.fields else None
    form.add_error(shown, getattr(error, "beside", error.text) if shown else error.text)


def status_of(form: forms.BaseForm) -> int:
    """The HTTP status for a page with this form: 422 when it was sent and refused."""
    return 422 if form.is_bound and form.errors else 200
