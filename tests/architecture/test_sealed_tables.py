"""Whatever is sealed is sealed again by a rotation: every model with an envelope is found, and fits."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models

from certificates.sealed_tables import sealed_models
from tests.architecture.sources import PACKAGES

OWN = [model for model in apps.get_models() if model.__module__.startswith(PACKAGES)]
HINTS = ("envelope", "sealed_", "ciphertext", "key_id")  # in the name of a field that holds, or belongs to, a secret


def suspicious(model: type[models.Model]) -> list[str]:
    return [
        field.name
        for field in model._meta.fields
        if any(hint in field.name for hint in HINTS)
        or (isinstance(field, models.BinaryField) and "secret" in field.name)
    ]


def test_every_model_with_an_envelope_is_found() -> None:
    exceptions = {"RetiredKey"}  # it names keys, and holds nothing
    hints = {model.__name__ for model in OWN if suspicious(model)} - exceptions
    assert hints == {model.__name__ for model in sealed_models()}
    assert {"SealedKey", "SealedHeader"} <= hints


@pytest.mark.parametrize("model", sealed_models(), ids=lambda model: model._meta.label)
def test_its_fields_are_those_of_a_sealed_row(model: type[models.Model]) -> None:
    fields: dict[str, Any] = {field.name: field for field in model._meta.fields}
    assert isinstance(fields["envelope"], models.BinaryField)
    key_id = fields["key_id"]
    index: bool = fields["key_id"].db_index
    assert isinstance(key_id, models.CharField)
    assert (key_id.column, key_id.max_length, index) == ("key_id", 40, True)
    assert callable(getattr(model, "place", None)), "what its envelopes are bound to"
    str(model._default_manager.select_related(*getattr(model, "place_needs", ())).query)


@pytest.mark.django_db
@pytest.mark.parametrize("model", sealed_models(), ids=lambda model: model._meta.label)
def test_the_database_guards_it(model: type[models.Model]) -> None:
    triggers = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass",
    }
    with connection.cursor() as cursor:
        cursor.execute(triggers[connection.vendor], [model._meta.db_table])
        assert len([name for (name,) in cursor.fetchall() if "key_retired" in name]) == 2
