"""Creating, reading, changing and deleting service nodes over the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpResponse
from ninja import Query, Status

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected, tag
from botplatform.api_kit.paging import Paging, page
from botplatform.api_kit.routes import Section, bot_of, read, route, write_json
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.database_state import Remembered
from botplatform.errors import InvalidInput, NotFound
from certificates.lookup import find_certificate, find_trust_store
from certificates.models import ClientCertificate
from servicenodes.api.routing import router
from servicenodes.models import SealedHeader, ServiceNode, ServiceNodeQuerySet
from servicenodes.schemas import NodeChange, NodeIn, NodeOut, NodePage
from servicenodes.services.nodes import change_node, create_node, delete_node

SECTION = Section(router, "service nodes")
NODES, NODE = "/bots/{bot}/nodes", "/bots/{bot}/nodes/{node}"
_nodes = Remembered()


@read(SECTION, NODES, NodePage, problems=(422,))
def list_nodes(request: ApiRequest, paging: Query[Paging]) -> dict[str, object]:
    """The service nodes of a bot, by slug."""
    items, following = page(request, nodes_of(request), paging, order=["slug"])
    return {"items": items, "next": following}


@write_json(SECTION, "POST", NODES, Permission.NODE_CHANGE, answers={201: NodeOut}, problems=(409,))
def add_node(request: ApiRequest, body: NodeIn, response: HttpResponse) -> Status[ServiceNode]:
    """Create a service node. Naming a certificate needs the permission to attach one."""
    values = _resolved(request, body.model_dump(exclude_unset=True))
    node = create_node(actor=request.actor, bot=bot_of(request), **values)
    response["Location"] = f"{request.path}/{node.slug}"
    return Status(201, tagged(node, response))


@read(SECTION, NODE, NodeOut)
def get_node(request: ApiRequest, node: str, response: HttpResponse) -> ServiceNode:
    """One service node."""
    return tagged(find(request, node), response)


@write_json(SECTION, "PATCH", NODE, Permission.NODE_CHANGE, answers={200: NodeOut}, problems=(409, 412))
def edit_node(
    request: ApiRequest, node: str, body: NodeChange, response: HttpResponse, if_match: IfMatch = None
) -> ServiceNode:
    """Change a service node; what is left out stays. Send `If-Match`, so that nobody's change is lost."""
    found = find(request, node)
    revision = expected(if_match, found.pk, found.revision) or found.revision
    changes = _resolved(request, body.model_dump(exclude_unset=True))
    return tagged(change_node(actor=request.actor, node=found, expected_revision=revision, **changes), response)


@route(SECTION, "DELETE", NODE, Permission.NODE_CHANGE, answers={204: None}, problems=(412, 422))
def remove_node(request: ApiRequest, node: str, if_match: IfMatch = None) -> Status[None]:
    """Delete a service node and the record of its tests."""
    found = find(request, node)
    revision = expected(if_match, found.pk, found.revision)
    delete_node(actor=request.actor, node=found, expected_revision=revision)
    return Status(204, None)


def nodes_of(request: ApiRequest) -> ServiceNodeQuerySet:
    """The nodes of the address's bot, with all that their document shows."""
    rows: ServiceNodeQuerySet = ServiceNode.objects.filter(bot=bot_of(request))  # which the token sees
    return rows.select_related("bot", "certificate__bot", "trust_store__bot").prefetch_related("sealed_headers")


def find(request: ApiRequest, slug: str) -> ServiceNode:
    """The node `slug` of the address's bot, with all that its document shows. Raises `NotFound`."""
    bot, known = bot_of(request), _nodes.entries()
    node: ServiceNode | None = known.get((bot.pk, slug))
    if node is None:
        node = known[bot.pk, slug] = _read_node(bot, slug)
    return copy(node)


def _read_node(bot: Bot, slug: str) -> ServiceNode:
    try:
        node = ServiceNode.objects.select_related("certificate", "trust_store").get(bot=bot, slug=slug)
    except ServiceNode.DoesNotExist:
        raise NotFound("no such service node") from None
    node.bot = bot
    for owned in (node.certificate, node.trust_store):  # of this bot or of the platform: the database sees to it
        if owned is not None and owned.bot_id is not None:
            owned.bot = bot
    prefetch_related_objects([node], Prefetch("sealed_headers", SealedHeader.objects.only("node_id", "name")))
    return node


def tagged(node: ServiceNode, response: HttpResponse) -> ServiceNode:
    """The node, with its ETag in the answer."""
    response["ETag"] = tag(node.pk, node.revision)
    return node


def _resolved(request: ApiRequest, values: dict[str, Any]) -> dict[str, Any]:
    """Names of a certificate and a trust store as the objects, within what the token sees."""
    if values.get("certificate") is not None:
        values["certificate"] = named_certificate(request, values["certificate"])
    if values.get("trust_store") is not None:
        with _in_body("trust_store", "trust store"):
            values["trust_store"] = find_trust_store(request.actor, values["trust_store"], request.bot)
    return values


def named_certificate(request: ApiRequest, path: str) -> ClientCertificate:
    """The certificate that a body names. Raises `InvalidInput`."""
    with _in_body("certificate", "client certificate"):
        return find_certificate(request.actor, path)


@contextmanager
def _in_body(field: str, what: str) -> Iterator[None]:
    """What a body names in vain is a wrong value, not a missing address. A foreign one is told from none by nothing."""
    try:
        yield
    except NotFound as error:
        text = f"There is no such {what}, or this token may not know of it."
        raise InvalidInput(text, field=field, code="unknown_name") from error
    except InvalidInput as error:
        raise InvalidInput(error.text, field=field, code=error.code) from error
