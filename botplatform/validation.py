"""Turns unacceptable values into `InvalidInput`: one sentence and the field it came from."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.utils.text import slugify

from botplatform.errors import InvalidInput

# Controls, lone surrogates, and invisible marks, some of which reverse the reading direction: they forge what a
# person reads.
_FORBIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = frozenset("\u200c\u200d")  # invisible too, but Persian, Indic scripts and emoji need them between letters
# Fields that forms call otherwise than their columns.
LABELS = {"slug": "Short name", "timeout_s": "Timeout in seconds", "min_tls": "At least TLS", "url": "URL"}
# Letters that have no accent to take away; the rest is left to Unicode.
_SPELT_OUT = str.maketrans({"ß": "ss", "ẞ": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "_": "-"})
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols that look like a space


def one_line(value: str, *, field: str, label: str, max_length: int, required: bool = True) -> str:
    """`value` without outer spaces. Raises `InvalidInput` when empty, too long or not printable in one line."""
    text = value.strip().strip("".join(_JOINERS))
    if required and not text:
        raise InvalidInput(f"{label} is missing.", field=field)
    if len(text) > max_length:
        raise InvalidInput(f"{label} is longer than {max_length} characters.", field=field)
    for char in text:
        forbidden = char in _BLANKS or unicodedata.category(char) in _FORBIDDEN_CATEGORIES
        if forbidden and char not in _JOINERS:
            raise InvalidInput(f"{label} holds a character that cannot be shown (U+{ord(char):04X}).", field=field)
    return text


def slug_from(name: str, *, max_length: int) -> str:
    """A short name made from a name: `Größe & Maße` → `grosse-masse`; empty when it holds no Latin letter or digit."""
    return slugify(name.lower().translate(_SPELT_OUT))[:max_length].strip("-")


def refuse_route(name: str, route: str, *, field: str) -> None:
    """Raises `InvalidInput` for a name whose page would have the address of the console's page `…/route/`."""
    if name == route:
        raise InvalidInput(f"“{name}” is a page of the console; choose another name.", field=field)


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
    label = LABELS.get(field, field.replace("_", " ").capitalize())
    return InvalidInput(f"{label}: {text}" if name else text, field=name, beside=text)
