"""The real call of a service node: with the effective certificate, or not at all.

It runs on the engine of the connection test. Nothing is written on the way: calls are counted (`counters`), and only
the opening of a key or of sealed headers, once per process and version, is on record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.bots.access import authorize
from botplatform.bots.roles import Permission
from certificates.errors import CredentialUnusable, EnvelopeBroken, Sealed
from certificates.pki.credential import Credential
from certificates.services.fallback import earlier_version
from certificates.services.keys import Purpose, open_credential
from servicenodes.counters import ANSWERED, FELL_BACK, REFUSED, count
from servicenodes.errors import REFUSALS, CallRefused
from servicenodes.escaping import Value
from servicenodes.models import ServiceNode
from servicenodes.services.filling import call_request
from servicenodes.services.plans import CallPlan, forget, plan_for
from servicenodes.tls.invoke import Caller, CallFailed, CallResult
from servicenodes.tls.invoke_request import Prepared
from servicenodes.tls.judgement import Verdict
from servicenodes.tls.observation import Sent

_caller = Caller()  # one per process; it connects when it is first used


@dataclass(frozen=True, slots=True)
class InvokeOutcome:
    """What the server answered, and what was presented. `version` and `sha256` are None without a certificate.

    `fell_back_from`: the number of the active version, if the server rejected it and the version before was presented.
    `truncated`: the body was longer than the engine reads. `location`: where a redirect pointed; none is followed.
    `timing_ms`: resolve, connect, handshake (absent on a kept connection), first_byte, total.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    location: str | None
    timing_ms: dict[str, float]
    reused: bool
    certificate: str | None
    version: int | None
    sha256: str | None
    rule: str
    fell_back_from: int | None = None


def invoke_node(
    *,
    actor: Actor,
    node: ServiceNode,
    variables: Mapping[str, Value] | None = None,
    payload: bytes | None = None,
    content_type: str | None = None,
) -> InvokeOutcome:
    """Call the node's API. Must not run inside a transaction: the opening of a key is on record before it is used.

    `variables` fill the node's templates, strictly. A `payload` is sent as it is, in place of the node's body, with
    `content_type` in place of the node's own.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` (a variable), `CallRefused` (not made), `CallFailed` (made, and no
    answer came).
    """
    authorize(actor, Permission.NODE_INVOKE, bot=node.bot)
    started = time.monotonic()
    plan = _plan(actor, node)
    request = call_request(plan, variables or {}, payload, content_type)
    try:
        _check(plan)
        result = _caller.call(request, open_credential=lambda: _open(actor, plan))
    except CallRefused:
        _count(plan, REFUSED, presented=False)
        raise
    except CallFailed as failed:
        left_s = plan.timeout_s - (time.monotonic() - started)
        outcome = _fall_back(actor, plan, request, left_s) if failed.certificate_refused else None
        if outcome is not None:
            return outcome
        _note_failure(plan, failed)
        raise
    _count(plan, ANSWERED, presented=result.certificate_sent)
    return _outcome(plan, result)


def _plan(actor: Actor, node: ServiceNode) -> CallPlan:
    try:
        return plan_for(actor=actor, node=node)
    except (Sealed, EnvelopeBroken) as error:
        code = "sealed" if isinstance(error, Sealed) else "headers_unusable"
        count(node=node.pk, version=None, outcome=REFUSED)
        text = f"The secret headers of “{node.path}” cannot be opened. {error.text} The call was not made."
        raise CallRefused(text, code=code, certificate=None, rule="none", advice=REFUSALS[code]) from error


def _fall_back(actor: Actor, plan: CallPlan, request: Prepared, left_s: float) -> InvokeOutcome | None:
    """The same call with the version before, if the fallback window of the certificate is open.

    None: it is not, or that version is not taken either. The first call was refused before any application saw it, so
    nothing is done twice. Raises `CallFailed` for a second call that failed in another way.
    """
    version = earlier_version(plan.certificate) if plan.certificate is not None and left_s > 0 else None
    if version is None:
        return None
    earlier = replace(plan, version=version)
    line = (FELL_BACK, request.request.credential_line)  # its own: the pools of the active version stay
    asked = replace(request.request, credential_key=version.pk, credential_line=line, timeout_s=left_s)
    again = replace(request, request=asked)
    try:
        result = _caller.call(again, open_credential=lambda: _open(actor, earlier))
    except CallRefused:
        return None
    except CallFailed as failed:
        if failed.verdict is Verdict.REJECTED:
            return None
        _note_failure(earlier, failed)
        raise
    _count(earlier, FELL_BACK, presented=result.certificate_sent)
    return replace(_outcome(earlier, result), fell_back_from=plan.version.number if plan.version else None)


def _note_failure(plan: CallPlan, failed: CallFailed) -> None:
    real = failed.observation.real
    _count(plan, failed.verdict.value, presented=real is not None and real.sent is Sent.CERTIFICATE)
    failed.client_certificate = _effective(plan)


def _count(plan: CallPlan, outcome: str, *, presented: bool) -> None:
    """A version is used only when its certificate was sent."""
    count(node=plan.node_id, version=plan.version.pk if plan.version and presented else None, outcome=outcome)


# --- Fail closed ------------------------------------------------------------------------------------------------------


def _check(plan: CallPlan) -> None:
    """Raise `CallRefused` unless the effective certificate may be presented now, to this host."""
    if plan.certificate is None:
        if plan.require_mutual_tls:
            text = f"“{plan.path}” requires mutual TLS, and no certificate is effective. {plan.reason}"
            raise _refused(plan, "no_certificate", text)
        return
    path, now = plan.certificate_path, timezone.now()
    if plan.version is None:
        raise _refused(plan, "no_active_version", f"“{path}” has no active version. {plan.reason}")
    name = f"Version {plan.version.number} of “{path}”"
    if plan.version.not_after <= now:
        since = plan.version.not_after.strftime("%Y-%m-%d %H:%M UTC")
        raise _refused(plan, "certificate_expired", f"{name} expired on {since}. {plan.reason}")
    if plan.version.not_before > now:
        since = plan.version.not_before.strftime("%Y-%m-%d %H:%M UTC")
        raise _refused(plan, "certificate_not_yet_valid", f"{name} is valid only from {since} on. {plan.reason}")
    if not plan.certificate.may_go_to(plan.host, plan.server_name or plan.host):
        text = f"“{path}” may not be presented to {plan.host}: it is not among its allowed hosts. {plan.reason}"
        raise _refused(plan, "host_not_allowed", text)


def _open(actor: Actor, plan: CallPlan) -> Credential | None:
    if plan.version is None:
        return None
    try:
        return open_credential(version=plan.version, purpose=Purpose.INVOKE, actor=actor)
    except (CredentialUnusable, EnvelopeBroken, Sealed) as error:
        code = "sealed" if isinstance(error, Sealed) else "certificate_unusable"
        text = f"“{plan.certificate_path}” cannot be opened. {error.text} {plan.reason}"
        raise _refused(plan, code, text) from error


def _refused(plan: CallPlan, code: str, text: str) -> CallRefused:
    return CallRefused(
        f"{text} The call was not made.",
        code=code,
        certificate=plan.certificate_path,
        rule=plan.rule.value,
        advice=REFUSALS[code],
    )


# --- The answer -------------------------------------------------------------------------------------------------------


def _effective(plan: CallPlan) -> dict[str, object]:
    version = plan.version
    return {
        "certificate": plan.certificate_path,
        "version": version.number if version else None,
        "sha256": version.sha256 if version else None,
        "source": plan.rule.value if plan.certificate else None,
    }


def _outcome(plan: CallPlan, result: CallResult) -> InvokeOutcome:
    return InvokeOutcome(
        status=result.status,
        headers=result.headers,
        body=result.body,
        truncated=result.truncated,
        location=result.location,
        timing_ms=result.timing_ms,
        reused=result.reused,
        certificate=plan.certificate_path if result.certificate_sent else None,
        version=plan.version.number if plan.version and result.certificate_sent else None,
        sha256=plan.version.sha256 if plan.version and result.certificate_sent else None,
        rule=plan.rule.value,
    )


def close() -> None:
    """Close idle connections and forget opened keys and headers. For tests and for processes that end."""
    forget()
    _caller.close()


__all__ = ["CallFailed", "CallRefused", "InvokeOutcome", "close", "invoke_node"]
