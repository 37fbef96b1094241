"""A plan's templates, filled: the request of one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botplatform.errors import InvalidInput
from servicenodes import templating
from servicenodes.escaping import Value
from servicenodes.tls.invoke_request import CallRequest, Prepared, prepare

if TYPE_CHECKING:
    from servicenodes.services.plans import CallPlan

MAX_PAYLOAD = 4 * 1024 * 1024  # bytes
Values = Mapping[str, Value]


def call_request(plan: CallPlan, variables: Values, payload: bytes | None, content_type: str | None) -> Prepared:
    """What this call sends. Raises `InvalidInput` naming what may not be sent."""
    needed = plan.required if payload is not None else plan.required | plan.in_body
    spare = plan.in_body - needed  # a payload goes in place of the body; its variables may be there and do nothing
    templating.check_names(needed, variables.keys() - spare)
    if payload is None and not needed:
        return plan.unchanging
    return prepare(_fill(plan, variables, payload, content_type))


def unchanging_request(plan: CallPlan) -> Prepared:
    """What a node without variables sends."""
    return prepare(_fill(plan, {}, None, None))


def _fill(plan: CallPlan, variables: Values, payload: bytes | None, content_type: str | None) -> CallRequest:
    headers = [(name, templating.render_header(name, value, variables)) for name, value in plan.headers]
    if payload is not None:
        body, kind = _checked(payload), content_type or plan.content_type
    else:
        kind = plan.content_type
        body = templating.render_body(templating.body_kind(kind), plan.body, variables).encode() if plan.body else b""
    if kind and (body or payload is not None):
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
        headers.append(("Content-Type", kind))
    headers += [(name, value.reveal().decode("ascii")) for name, value in plan.sealed]
    return CallRequest(
        method=templating.render_method(plan.method, variables),
        url=templating.render_url(plan.url, variables),
        headers=tuple(headers),
        body=body,
        credential_key=plan.version.pk if plan.version else None,
        credential_line=plan.certificate.pk if plan.certificate else None,
        trust=plan.trust,
        server_name=plan.server_name,
        min_tls=plan.min_tls,
        timeout_s=plan.timeout_s,
        address_policy=plan.address_policy,
        proxy=plan.proxy,
        require_client_certificate=plan.require_mutual_tls,
        allowed_hosts=plan.allowed_hosts,
    )


def _checked(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD:
        raise InvalidInput(f"A payload is at most {MAX_PAYLOAD // 1024} KiB long.", field="payload")
    return payload
