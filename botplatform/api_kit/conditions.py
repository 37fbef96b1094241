"""`ETag` and `If-Match` (RFC 9110, section 13): an edit of something that changed meanwhile is refused with 412.

`If-Match` is offered, not demanded: without it the last writer wins.
"""

from __future__ import annotations

import uuid
from typing import Annotated, TypeVar

from ninja.params.models import Header

from botplatform.errors import Stale

State = TypeVar("State", int, str)
IfMatch = Annotated[str | None, Header(None, alias="If-Match", description="An ETag: refuse if it is another by now.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        None, alias="Idempotency-Key", min_length=1, max_length=200, description="Sent twice, the request is done once."
    ),
]


def tag(key: uuid.UUID, state: int | str) -> str:
    """The ETag of an object in a state: its revision, or a digest of it."""
    return f'"{key.hex[:12]}-{state}"'


def expected(if_match: str | None, key: uuid.UUID, state: State) -> State | None:
    """The state that the service must still find under its lock, None when the caller sets no condition.

    Raises `Stale` when the header names other states only.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    if tag(key, state) not in {given.strip() for given in if_match.split(",")}:
        raise Stale("It is not as you last saw it. Read it again, then repeat your change.")
    return state
