"""Lists in pages with cursors: a page neither skips nor repeats what others add or delete meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import Field

from botplatform.errors import InvalidInput

M = TypeVar("M", bound=Model)


class Paging(Schema):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200, description="How many items at most.")
    cursor: str = Field(default="", max_length=500, description="`next` of the page before.")


def page(
    request: HttpRequest, rows: QuerySet[M], paging: Paging, *, order: Sequence[str], descending: bool = False
) -> tuple[list[M], str | None]:
    """One page of `rows` in the order of these fields, which together are unique; and the cursor of the next page.

    Raises `InvalidInput` for a cursor that is not of this list.
    """
    salt = f"api-cursor:{request.path}"  # signed: nobody else's values ever reach the database
    if paging.cursor:
        rows = rows.filter(_beyond(order, _values(paging.cursor, salt, len(order)), descending))
    found = list(rows.order_by(*(f"-{field}" if descending else field for field in order))[: paging.limit + 1])
    if len(found) <= paging.limit:
        return found, None
    last = found[paging.limit - 1]
    return found[: paging.limit], signing.dumps([_plain(getattr(last, field)) for field in order], salt=salt)


def _values(cursor: str, salt: str, count: int) -> list[Any]:
    try:
        values = signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        values = []
    if len(values) != count:
        raise InvalidInput("This cursor is not of this list; begin without one.", field="cursor")
    return list(values)


def _beyond(order: Sequence[str], values: Sequence[Any], descending: bool) -> Q:
    """Rows after the one with these values."""
    compare = "lt" if descending else "gt"
    beyond, same = Q(), Q()
    for field, value in zip(order, values, strict=True):
        beyond |= same & Q(**{f"{field}__{compare}": value})
        same &= Q(**{field: value})
    return beyond


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else (value.isoformat() if hasattr(value, "isoformat") else str(value))
