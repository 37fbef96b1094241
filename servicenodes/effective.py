"""The effective certificates of many nodes in a constant number of queries."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db.models import Q

from certificates.models import ClientCertificate
from servicenodes.models import ServiceNode, ServiceNodeQuerySet
from servicenodes.resolution import Effective, resolve


def effective_certificates(nodes: Iterable[ServiceNode]) -> dict[uuid.UUID, Effective[ClientCertificate]]:
    """By node id. The certificates come with their bot and active version: two queries in all."""
    nodes = list(nodes)
    if not nodes:
        return {}
    attached = {node.certificate_id for node in nodes if node.certificate_id}
    wanted = Q(pk__in=attached) | Q(is_default=True, bot__isnull=True)
    wanted |= Q(is_default=True, bot__in={node.bot_id for node in nodes})
    certificates = {found.pk: found for found in ClientCertificate.objects.filter(wanted).with_active_version()}
    defaults = {found.bot_id: found for found in certificates.values() if found.is_default}
    return {
        node.pk: resolve(
            node=certificates[node.certificate_id] if node.certificate_id else None,
            bot_default=defaults.get(node.bot_id),
            platform_default=defaults.get(None),
        )
        for node in nodes
    }


def effective_certificate(node: ServiceNode) -> Effective[ClientCertificate]:
    """What one node will present, and the rule that chose it."""
    return effective_certificates([node])[node.pk]


def nodes_presenting(certificate: ClientCertificate) -> ServiceNodeQuerySet:
    """The nodes, of all bots, whose effective certificate it is: the rules of `resolve` as a condition."""
    chosen = Q(certificate=certificate)
    if certificate.is_default and certificate.bot_id:
        chosen |= Q(certificate__isnull=True, bot=certificate.bot_id)
    elif certificate.is_default:
        with_own = ClientCertificate.objects.filter(is_default=True, bot__isnull=False)
        chosen |= Q(certificate__isnull=True) & ~Q(bot__in=with_own.values("bot"))
    nodes: ServiceNodeQuerySet = ServiceNode.objects.filter(chosen).select_related("bot")
    return nodes
