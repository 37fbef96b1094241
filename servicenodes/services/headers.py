"""The headers of a service node: which are kept as they are, which are sealed, and opening the sealed ones.

The value of a sealed header is never shown again. It is opened in one place, for a call, on the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.errors import InvalidInput
from certificates import key_storage
from certificates.pki.secret import Secret
from servicenodes import templating
from servicenodes.models import SealedHeader, ServiceNode
from servicenodes.secret_headers import must_be_sealed
from servicenodes.tls.target import check_headers

MAX_HEADERS = 50
MAX_HEADER_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class HeaderOrder:
    """What is to be stored: headers as they are, new values to seal, and the sealed headers (lower case) that stay."""

    plain: dict[str, str]
    new: dict[str, Secret]
    kept: frozenset[str]


def arrange(
    headers: Mapping[str, str], sealed: Mapping[str, str | None] | None, known: Iterable[str] = ()
) -> HeaderOrder:
    """Tell plain headers from credentials, which are sealed whatever the caller says.

    `sealed` holds all headers to be sealed, None standing for the value they have; where it is None itself, the
    `known` ones stay. Raises `InvalidInput` (field `headers` or `sealed_headers`).
    """
    plain = {str(name).strip(): str(value).strip() for name, value in headers.items()}
    marked = {str(name).strip(): value for name, value in (sealed or {}).items()}
    _check_names([*plain, *(name for name, value in marked.items() if value is not None or name not in plain)])
    for name, value in plain.items():
        _check_length(name, value, field="headers")
        templating.split(value)
    check_headers(plain.items())
    new = {name: value.strip() for name, value in marked.items() if value is not None}
    for name in [name for name, value in plain.items() if must_be_sealed(name, value)]:
        new[name] = plain.pop(name)
    for name, value in new.items():
        _check_sealed(name, value)
    taken = {name.lower() for name in (*plain, *new)}
    wanted = {name.lower() for name, value in marked.items() if value is None} if sealed is not None else None
    kept = frozenset(name.lower() for name in known) & (wanted if wanted is not None else {n.lower() for n in known})
    if wanted and (missing := wanted - kept - taken):
        name = next(name for name in marked if name.lower() in missing)
        raise InvalidInput(f"The secret header {name} has no value yet.", field="sealed_headers")
    if len(plain) + len(new) + len(kept - taken) > MAX_HEADERS:
        raise InvalidInput(f"A service node carries at most {MAX_HEADERS} headers.", field="headers")
    return HeaderOrder(plain, {name: Secret(value.encode("ascii")) for name, value in new.items()}, kept - taken)


def _check_names(names: list[str]) -> None:
    if len({name.lower() for name in names}) < len(names):
        raise InvalidInput("A header is given twice; names do not tell capitals apart.", field="headers")


def _check_length(name: str, value: str, *, field: str) -> None:
    if len(name) + len(value) > MAX_HEADER_LENGTH or len(name) > 200:
        raise InvalidInput(f"The header {name[:40]} is longer than {MAX_HEADER_LENGTH} characters.", field=field)


def _check_sealed(name: str, value: str) -> None:
    if not value:
        raise InvalidInput(f"The secret header {name[:40]} has no value.", field="sealed_headers")
    _check_length(name, value, field="sealed_headers")
    try:
        check_headers([(name, value)])
    except InvalidInput as error:
        raise InvalidInput(error.text, field="sealed_headers") from None
    if "{{" in value:
        text = f"The secret header {name} is sent as it is, so its value cannot hold a variable."
        raise InvalidInput(text, field="sealed_headers")


def sealed_names(node: ServiceNode) -> list[str]:
    """The names of the node's sealed headers."""
    return list(SealedHeader.objects.filter(node=node).order_by("name").values_list("name", flat=True))


def store(node: ServiceNode, order: HeaderOrder) -> None:
    """Make the sealed headers what the order says, in the transaction that saves the node. Raises `Sealed`."""
    for row in SealedHeader.objects.filter(node=node).only("name"):
        if row.name.lower() not in order.kept:
            row.delete()
    for name, value in order.new.items():
        row = SealedHeader(node=node, name=name)
        key_storage.seal_into(row, value)
        row.save(force_insert=True)


def open_sealed(*, actor: Actor, node: ServiceNode) -> tuple[tuple[str, Secret], ...]:
    """Name and value of each sealed header, for a call. On record before they are handed out; not inside a transaction.

    The caller has authorised the call. Raises `Sealed`, `EnvelopeBroken`.
    """
    rows = list(SealedHeader.objects.filter(node=node).select_related("node"))
    if not rows:
        return ()
    opened = tuple((row.name, key_storage.open_row(row)) for row in rows)
    with transaction.atomic(durable=True):
        trail.record(
            actor=actor,
            action=Action.HEADERS_OPENED,
            object_type="service_node",
            object_id=node.pk,
            object_name=node.path,
            bot=node.bot,
            facts={"purpose": "invoke", "headers": [name for name, _ in opened]},
        )
    return opened
