"""What the forms of every app share: file fields, and expected errors shown beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile as DjangoFile

from botplatform.errors import DomainError, NotAllowed, NotFound

MAX_FILES = 10


class ManyFilesInput(forms.ClearableFileInput):
    """A file input for several files."""

    allow_multiple_selected = True


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


def show_error(form: forms.BaseForm, error: DomainError, *, field: str | None = None) -> None:
    """Put an expected error beside its field. What the user may not do, or see, stays a page of its own."""
    if isinstance(error, NotAllowed | NotFound):
        raise error
    named = field or getattr(error, "field", None)
    form.add_error(named if named in form.fields else None, error.text)


def status_of(form: forms.BaseForm) -> int:
    """The HTTP status for a page with this form: 422 when it was sent and refused."""
    return 422 if form.is_bound and form.errors else 200
