"""The real call over the HTTP API.

A call that was not made is 409, one that brought no answer is 424: not 502, for which proxies and clients repeat
requests or take this server out of service. What the backend answers, be it an error, is a 200 with its status inside.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from botplatform.api_kit.access import ApiRequest
from botplatform.api_kit.problems import problem
from botplatform.api_kit.routes import Section, bot_of, write_json
from botplatform.bots.roles import Permission
from botplatform.database_state import Remembered
from botplatform.errors import InvalidInput, NotFound
from servicenodes.api.nodes import NODE
from servicenodes.api.routing import router
from servicenodes.models import ServiceNode
from servicenodes.schemas import InvokeIn, InvokeOut
from servicenodes.services.answers import answer_as_json, failure_as_json
from servicenodes.services.invoking import CallFailed, CallRefused, invoke_node

SECTION = Section(router, "calls")
NO_ANSWER = 424
_nodes = Remembered()
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+[ \t]*(?:;|\Z)", re.ASCII)  # RFC 9110, section 8.3.1


@write_json(
    SECTION, "POST", f"{NODE}/invoke", Permission.NODE_INVOKE, answers={200: InvokeOut}, problems=(409, NO_ANSWER)
)
def invoke(request: ApiRequest, node: str, body: InvokeIn) -> Any:
    """Call the node's API with its effective certificate, or say why the call was not made or brought no answer."""
    try:
        outcome = invoke_node(
            actor=request.actor,
            node=_find(request, node),
            variables=body.variables,
            payload=_payload(body),
            content_type=_content_type(body),
        )
    except (CallRefused, CallFailed) as error:
        status = NO_ANSWER if isinstance(error, CallFailed) else 503 if error.code == "sealed" else 409
        more = {name: value for name, value in failure_as_json(error).items() if name not in {"code", "text"}}
        return problem(status, error.text, code=error.code, **more)
    return answer_as_json(outcome)


def _find(request: ApiRequest, slug: str) -> ServiceNode:
    """Of the address's bot, which the token sees. Only what a call needs: its plan knows the rest."""
    bot, known = bot_of(request), _nodes.entries()
    node: ServiceNode | None = known.get((bot.pk, slug))
    if node is None:
        try:
            node = ServiceNode.objects.only("slug", "bot_id").get(bot=bot, slug=slug)
        except ServiceNode.DoesNotExist:
            raise NotFound("no such service node") from None
        node.bot = bot
        known[bot.pk, slug] = node
    return node


def _content_type(body: InvokeIn) -> str | None:
    if body.content_type is None:
        return None
    if body.payload is None and body.payload_base64 is None:
        raise InvalidInput("A content type goes with a payload; the node's body has its own.", field="content_type")
    if not MEDIA_TYPE.match(body.content_type):
        raise InvalidInput("Write a content type as type/subtype.", field="content_type")
    return body.content_type


def _payload(body: InvokeIn) -> bytes | None:
    if body.payload is not None and body.payload_base64 is not None:
        raise InvalidInput("Send either a payload or a payload_base64.", field="payload_base64")
    if body.payload_base64 is None:
        return None if body.payload is None else body.payload.encode("utf-8")
    try:
        return base64.b64decode(body.payload_base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("This is not base64.", field="payload_base64") from error
