"""Turns unacceptable values into `InvalidInput`: one sentence and the field it came from."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model

from botplatform.errors import InvalidInput

# Controls, lone surrogates and the marks that reverse the reading direction: they forge what a person reads.
_FORBIDDEN_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(value: str, *, field: str, label: str, max_length: int, required: bool = True) -> str:
    """`value` without outer spaces. Raises `InvalidInput` when empty, too long or not printable in one line."""
    text = value.strip()
    if required and not text:
        raise InvalidInput(f"{label} is missing.", field=field)
    if len(text) > max_length:
        raise InvalidInput(f"{label} is longer than {max_length} characters.", field=field)
    for char in text:
        if char in _DIRECTION_MARKS or unicodedata.category(char) in _FORBIDDEN_CATEGORIES:
            raise InvalidInput(f"{label} holds a character that cannot be shown (U+{ord(char):04X}).", field=field)
    return text


def check_model(instance: Model) -> None:
    """Run the model's own field validators. Raises `InvalidInput` for the first that refuses.

    Uniqueness is left to the database, which alone can decide it.
    """
    try:
        instance.clean_fields()
    except ValidationError as error:
        raise invalid_input(error) from error


def invalid_input(error: ValidationError) -> InvalidInput:
    """Django's error as ours: the first field with the sentences about it."""
    if not hasattr(error, "error_dict"):
        return InvalidInput(" ".join(error.messages))
    field, messages = next(iter(error.message_dict.items()))
    name = None if field == NON_FIELD_ERRORS else field
    text = " ".join(messages)
    return InvalidInput(f"{field.replace('_', ' ').capitalize()}: {text}" if name else text, field=name)
