"""Finding service nodes by the names people type, within what the actor may see."""

from __future__ import annotations

from botplatform.accounts.actors import Actor
from botplatform.errors import NotFound
from certificates.lookup import scope_of, split_path
from servicenodes.models import ServiceNode, ServiceNodeQuerySet


def visible_nodes(actor: Actor) -> ServiceNodeQuerySet:
    """The service nodes the actor may know of, with their bots."""
    viewer = scope_of(actor)
    nodes: ServiceNodeQuerySet = ServiceNode.objects.select_related("bot", "certificate", "trust_store")
    return nodes if viewer is None else nodes.visible_to(viewer)


def split_node_path(path: str) -> tuple[str, str]:
    """`bot-slug/node-slug` as two slugs. Raises `InvalidInput`."""
    return split_path(path, what="service node", form="bot-slug/node-slug")


def find_node(actor: Actor, path: str) -> ServiceNode:
    """The service node `bot-slug/node-slug`. Raises `NotFound`, `InvalidInput`."""
    bot, slug = split_node_path(path)
    node = visible_nodes(actor).filter(bot__slug=bot, slug=slug).first()
    if node is None:
        raise NotFound(f"There is no service node “{path}”.")
    return node
