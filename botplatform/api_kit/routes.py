"""Declares routes: each names its permission, as every view does, and gets its bot loaded within what the token sees.

`{bot}` in a path is the slug of a bot: a foreign bot and a missing one give the same 404, a visible one without the
permission gives 403. `owned` declares a route twice: below `/bots/{bot}` and below `/platform`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from ninja import Router
from ninja.params.models import Path

from botplatform.api_kit.access import ApiRequest, BearerToken
from botplatform.api_kit.parsing import JSON
from botplatform.api_kit.problems import Problem
from botplatform.bots.access import actor_permissions, find_bot
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import NotAllowed, NotFound

Operation = TypeVar("Operation", bound=Callable[..., Any])
ALWAYS = (400, 401, 403, 429, 503)
WITH_BODY = (413, 415, 422)
BOT = "{bot}"
PERMISSION = "x-permission"  # stays in the document: what the token needs
PRODUCES = "x-produces"  # tells `documents` the media type of the successes


@dataclass(frozen=True, slots=True)
class Section:
    """Operations that belong together. All operations of one address must be of the same router."""

    router: Router
    tag: str


def route(
    section: Section,
    method: str,
    path: str,
    permission: Permission,
    *,
    answers: dict[int, Any],
    problems: tuple[int, ...] = (),
    media_type: str | None = None,
    anywhere: bool = False,
    on_platform: bool = False,
    produces: str = JSON,
    name: str = "",
) -> Callable[[Operation], Operation]:
    """Declare an operation. `answers` are its successes, `problems` the statuses beyond those that all may have.

    `media_type` is that of the body, `produces` that of a success. `anywhere`: the permission need only be the
    token's, and the operation narrows what it does to where it holds. `on_platform`: the permission is judged for
    the platform although the address names a bot.
    """
    statuses = {*ALWAYS, *problems, *(WITH_BODY if media_type else ()), *((404,) if "{" in path else ())}
    response = {**answers, **dict.fromkeys(sorted(statuses), Problem)}

    def declare(operation: Operation) -> Operation:
        guarded = _guard(operation, permission, of_bot=BOT in path, anywhere=anywhere, on_platform=on_platform)
        section.router.add_api_operation(
            path,
            [method, "HEAD"] if method == "GET" else [method],  # the server leaves its body out
            guarded,
            auth=BearerToken(media_type),
            response=response,
            tags=[section.tag],
            operation_id=name or operation.__name__,
            url_name=name or operation.__name__,
            openapi_extra={PERMISSION: permission.value, PRODUCES: produces},
            summary=(operation.__doc__ or "").strip().split("\n")[0],
        )
        return operation

    return declare


def read(section: Section, path: str, answer: Any, **options: Any) -> Callable[[Operation], Operation]:
    """A GET that needs only the permission to look."""
    return route(section, "GET", path, Permission.VIEW, answers={200: answer}, **options)


def write_json(
    section: Section, method: str, path: str, permission: Permission, **options: Any
) -> Callable[[Operation], Operation]:
    """An operation with a JSON body."""
    return route(section, method, path, permission, media_type=JSON, **options)


def owned(
    section: Section, method: str, path: str, permission: Permission, **options: Any
) -> Callable[[Operation], Operation]:
    """The same operation for what a bot owns and for what the platform owns."""

    def declare(operation: Operation) -> Operation:
        for start, whose in (("/bots/{bot}", "bot"), ("/platform", "platform")):
            name = f"{whose}_{operation.__name__}"
            route(section, method, f"{start}{path}", permission, name=name, **options)(operation)
        return operation

    return declare


def bot_of(request: ApiRequest) -> Bot:
    """The bot of an address that always has one."""
    if request.bot is None:
        raise TypeError("this route has no bot")
    return request.bot


def _guard(
    operation: Callable[..., Any], permission: Permission, *, of_bot: bool, anywhere: bool, on_platform: bool
) -> Callable[..., Any]:
    @wraps(operation)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        if of_bot:
            request.bot = find_bot(request.token, kwargs.pop("bot"))
            if request.bot is None:
                raise NotFound("no such bot")
        judged = None if on_platform else request.bot
        granted = request.token.granted if anywhere else actor_permissions(request.actor, judged)
        if permission not in granted:
            raise NotAllowed(f"This token lacks the permission “{permission.value}” here.")
        return operation(request, *args, **kwargs)

    # Annotations are resolved here, where their names are known; ninja would look them up in this module.
    guarded.__signature__ = inspect.signature(operation, eval_str=True)  # type: ignore[attr-defined]
    guarded.permission = permission  # type: ignore[attr-defined]
    if of_bot:
        guarded._ninja_contribute_args = [("bot", str, Path(...))]  # type: ignore[attr-defined]
    return guarded
