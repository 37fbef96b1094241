"""Attaching a client certificate to service nodes, by name: a renewal needs no re-attaching."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import Stale
from certificates.models import ClientCertificate
from servicenodes.models import ServiceNode
from servicenodes.services.nodes import check_owned, hold, lock_nodes, record


@transaction.atomic
def attach_certificate(
    *,
    actor: Actor,
    certificate: ClientCertificate,
    nodes: Sequence[ServiceNode],
    expected_revision: int | None = None,
) -> tuple[ServiceNode, ...]:
    """Attach it to all the nodes or to none. Returns the nodes that changed, without those that had it already.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` for a certificate of another bot, and `Stale` when an
    `expected_revision` is given that a node does not have.
    """
    _authorize(actor, nodes)
    hold(certificate)
    changed = []
    for node in _lock(nodes, expected_revision):
        check_owned(node, certificate, field="certificate")
        if node.certificate_id == certificate.pk:
            continue
        before = node.certificate.path if node.certificate else None
        node.certificate = certificate
        _save(node)
        facts: dict[str, object] = {"certificate": certificate.path, "before": before}
        record(actor, Action.CERTIFICATE_ATTACHED, node, facts)
        changed.append(node)
    return tuple(changed)


@transaction.atomic
def detach_certificate(
    *, actor: Actor, nodes: Sequence[ServiceNode], expected_revision: int | None = None
) -> tuple[ServiceNode, ...]:
    """Leave the nodes to their defaults. Returns the nodes that changed. Raises `NotAllowed`, `NotFound`, `Stale`."""
    _authorize(actor, nodes)
    changed = []
    for node in _lock(nodes, expected_revision):
        if node.certificate is None:
            continue
        facts: dict[str, object] = {"before": node.certificate.path}
        node.certificate = None
        _save(node)
        record(actor, Action.CERTIFICATE_DETACHED, node, facts)
        changed.append(node)
    return tuple(changed)


def _authorize(actor: Actor, nodes: Sequence[ServiceNode]) -> None:
    for bot in {node.bot_id: node.bot for node in nodes}.values():
        authorize(actor, Permission.NODE_ATTACH, bot=bot)


def _lock(nodes: Sequence[ServiceNode], expected_revision: int | None) -> list[ServiceNode]:
    locked = lock_nodes(list(nodes))
    if expected_revision is not None and any(node.revision != expected_revision for node in locked):
        raise Stale("Somebody changed this service node meanwhile. Look at it again, then repeat your change.")
    return locked


def _save(node: ServiceNode) -> None:
    node.revision += 1
    node.save(update_fields=["certificate", "revision"])
