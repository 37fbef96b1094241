"""What a service node presents, over the HTTP API."""

from __future__ import annotations

from django.http import HttpResponse

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.conditions import IfMatch, expected
from botplatform.api_kit.routes import Section, read, route, write_json
from botplatform.bots.roles import Permission
from servicenodes.api.nodes import NODE, find, named_certificate, tagged
from servicenodes.api.routing import router
from servicenodes.effective import effective_certificate
from servicenodes.models import ServiceNode
from servicenodes.schemas import AttachIn, EffectiveOut, NodeOut
from servicenodes.services.attaching import attach_certificate, detach_certificate

SECTION = Section(router, "service nodes")


@write_json(
    SECTION,
    "PUT",
    f"{NODE}/certificate",
    Permission.NODE_ATTACH,
    answers={200: NodeOut},
    problems=(412,),
    name="attach_certificate",
)
def attach(
    request: ApiRequest, node: str, body: AttachIn, response: HttpResponse, if_match: IfMatch = None
) -> ServiceNode:
    """Attach a client certificate, by name: a renewal needs no re-attaching."""
    found = find(request, node)
    revision = expected(if_match, found.pk, found.revision)
    certificate = named_certificate(request, body.certificate)
    attach_certificate(actor=request.actor, certificate=certificate, nodes=[found], expected_revision=revision)
    return tagged(find(request, node), response)


@route(
    SECTION,
    "DELETE",
    f"{NODE}/certificate",
    Permission.NODE_ATTACH,
    answers={200: NodeOut},
    problems=(412, 422),
    name="detach_certificate",
)
def detach(request: ApiRequest, node: str, response: HttpResponse, if_match: IfMatch = None) -> ServiceNode:
    """Leave the node to the default of its bot, else of the platform."""
    found = find(request, node)
    revision = expected(if_match, found.pk, found.revision)
    detach_certificate(actor=request.actor, nodes=[found], expected_revision=revision)
    return tagged(find(request, node), response)


@read(SECTION, f"{NODE}/effective-certificate", EffectiveOut)
def get_effective_certificate(request: ApiRequest, node: str) -> dict[str, object]:
    """What the node presents, and the rule that chose it."""
    effective = effective_certificate(find(request, node))
    certificate = effective.certificate
    return {
        "certificate": certificate.path if certificate else None,
        "rule": effective.rule.value,
        "reason": effective.reason,
        "version": certificate.active_version if certificate else None,
    }
