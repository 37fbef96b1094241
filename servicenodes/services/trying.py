"""The real call as the act of a person: on record before it is made, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from botplatform.errors import DomainError
from servicenodes import templating
from servicenodes.errors import CallRefused
from servicenodes.escaping import Value
from servicenodes.models import ServiceNode
from servicenodes.services import limits, nodes
from servicenodes.services.invoking import CallFailed, InvokeOutcome, invoke_node
from servicenodes.services.plans import variables_of_request


def try_call(
    *,
    actor: Actor,
    node: ServiceNode,
    variables: Mapping[str, Value],
    payload: bytes | None = None,
    content_type: str | None = None,
) -> InvokeOutcome:
    """`invoke_node` for a person. Values and payload are not on record, they may be anybody's data.

    Raises what that does, and `TooManyCalls`.
    """
    authorize(actor, Permission.NODE_INVOKE, bot=node.bot)
    facts: dict[str, object] = {"variables": sorted(variables)}
    facts |= {} if payload is None else {"payload_bytes": len(payload)}
    with transaction.atomic():
        limits.check_calls(actor, timezone.now())
        nodes.record(actor, Action.CALL_REQUESTED, node, facts)
    try:
        outcome = invoke_node(actor=actor, node=node, variables=variables, payload=payload, content_type=content_type)
    except DomainError as error:
        _record(actor, Action.CALL_ENDED, node, _how(error))
        raise
    ended: dict[str, object] = {
        "status": outcome.status,
        "certificate": outcome.certificate,
        "version": outcome.version,
    }
    if outcome.fell_back_from is not None:
        ended["fell_back_from"] = outcome.fell_back_from
    _record(actor, Action.CALL_ENDED, node, ended)
    return outcome


def wanted_variables(node: ServiceNode) -> tuple[str, ...]:
    """The variables of the node's method, URL, headers and body, in the order of their names."""
    return tuple(sorted(variables_of_request(node) | templating.variables_of(node.body)))


def typed(node: ServiceNode, texts: Mapping[str, str]) -> dict[str, Value]:
    """What a person typed as values: a variable that only stands bare in a JSON body may be a number, true or null."""
    kind = templating.body_kind(templating.content_type_of(node.headers, node.body))
    bare = templating.bare_variables(node.body) if kind is templating.BodyKind.JSON else frozenset()
    loose = bare - variables_of_request(node)
    return {name: _literal(text) if name in loose else text for name, text in texts.items()}


def _literal(text: str) -> Value:
    try:
        value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return value if value is None or isinstance(value, bool | int | float) else text


def _how(error: DomainError) -> dict[str, object]:
    if isinstance(error, CallFailed):
        return {"verdict": error.verdict.value, "reason": error.reason}
    if isinstance(error, CallRefused):
        return {"refused": error.code, "certificate": error.certificate}
    return {"refused": error.code}


def _record(actor: Actor, action: Action, node: ServiceNode, facts: dict[str, object]) -> None:
    with transaction.atomic():
        nodes.record(actor, action, node, facts)
