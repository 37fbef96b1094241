"""Try a call: the real call of a node from the console, its answer shown as text only."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.access import require_permission
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.console.forms import show_error, status_of
from botplatform.errors import InvalidInput
from servicenodes.effective import effective_certificate
from servicenodes.errors import CallRefused, TooManyCalls
from servicenodes.forms import CallForm
from servicenodes.models import ServiceNode
from servicenodes.services.answers import body_text, shown_headers
from servicenodes.services.invoking import CallFailed, InvokeOutcome
from servicenodes.services.plans import variables_of_request
from servicenodes.services.trying import try_call, typed, wanted_variables
from servicenodes.views.nodes import load, needs_url

SHOWN_CHARACTERS = 16_000
SHOWN_BYTES = 256
PER_LINE = 16


@require_permission(Permission.NODE_INVOKE)
@require_http_methods(["GET", "POST"])
@never_cache
def call(request: HttpRequest, bot: Bot, node: str) -> HttpResponse:
    """The form, and after it was sent what came of it."""
    found = load(bot, node)
    form = CallForm(request.POST or None, variables=wanted_variables(found))
    context: dict[str, Any] = {"form": form, "bot": bot, "node": found, "effective": effective_certificate(found)}
    if not found.url:
        context |= {"needs_url": needs_url(found), "may_change": Permission.NODE_CHANGE in request.permissions}  # type: ignore[attr-defined]
    elif form.is_valid():
        try:
            context["answer"] = shown(make(Actor.of(cast(User, request.user)), found, form))
        except InvalidInput as error:
            show_error(form, error, field=f"var_{error.field}" if error.field in form.names else None)
        except TooManyCalls as error:
            show_error(form, error)
        except CallFailed as failed:
            context["failed"] = failed
        except CallRefused as refused:
            context["refused"] = refused
    return render(request, "servicenodes/call.html", context, status=status_of(form))


def make(actor: Actor, node: ServiceNode, form: CallForm) -> InvokeOutcome:
    """The call that the form describes."""
    payload = form.cleaned_data["payload"] or None
    texts = form.texts
    if payload is not None:  # then the node's body is not sent, and its variables are not needed
        needed = variables_of_request(node)
        texts = {name: text for name, text in texts.items() if name in needed}
    return try_call(
        actor=actor,
        node=node,
        variables=typed(node, texts),
        payload=None if payload is None else payload.replace("\r\n", "\n").encode(),
        content_type=form.cleaned_data["content_type"] or None,
    )


def shown(outcome: InvokeOutcome) -> dict[str, Any]:
    """The answer for the page: text, or the first bytes in hexadecimal."""
    text = body_text(outcome)
    return {
        "outcome": outcome,
        "tone": "ok" if outcome.status < 400 else "error",
        "headers": shown_headers(outcome),
        "timing": {name.replace("_", " "): ms for name, ms in outcome.timing_ms.items()},
        "text": None if text is None else text[:SHOWN_CHARACTERS],
        "cut": outcome.truncated or (text is not None and len(text) > SHOWN_CHARACTERS),
        "dump": dump(outcome.body[:SHOWN_BYTES]) if text is None else "",
        "size": len(outcome.body),
    }


def dump(head: bytes) -> str:
    """Bytes in hexadecimal, sixteen a line, with their offset."""
    starts = range(0, len(head), PER_LINE)
    return "\n".join(f"{start:04x}  {head[start : start + PER_LINE].hex(' ')}" for start in starts)
