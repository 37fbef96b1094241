"""Who calls: a bearer token, and nothing else. Session cookies open no route, so no foreign page can use them."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security.base import AuthBase

from botplatform.accounts.actors import Actor
from botplatform.api_kit.parsing import check_media_type
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.services.tokens import authenticate, note_use
from botplatform.errors import DomainError

WINDOW_S = 60


class TooManyCalls(DomainError):
    """The token's calls of this minute are used up."""

    code = "too_many_calls"

    def __init__(self, text: str, *, retry_after_s: int) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class ApiRequest(HttpRequest):
    """What a route is handed. `bot` is the bot of the address; None where it has none, or names the platform."""

    actor: Actor
    token: ApiToken
    bot: Bot | None


class BearerToken(AuthBase):
    """Recognises the token, counts the call, and checks what kind of body comes (RFC 6750)."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An API token: `Authorization: Bearer bpt_…`."

    def __init__(self, media_type: str | None = None) -> None:
        super().__init__()
        self.media_type = media_type

    def __call__(self, request: HttpRequest) -> Any:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        token = authenticate(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise AuthenticationError
        count_call(token)
        note_use(token)
        request.token, request.actor, request.bot = token, Actor.of_token(token), None  # type: ignore[attr-defined]
        if self.media_type is not None:
            check_media_type(request, self.media_type)
        return token


def count_call(token: ApiToken) -> None:
    """Let the call pass or raise `TooManyCalls`.

    Counted in the cache: per process, unless CACHE_URL names a shared one.
    """
    most = settings.API_CALLS_PER_MINUTE
    if most <= 0:
        return
    now = time.time()
    key = f"api-calls:{token.prefix}:{int(now // WINDOW_S)}"
    cache.add(key, 0, timeout=WINDOW_S)
    try:
        count = cache.incr(key)
    except ValueError:  # the cache forgot it between the two lines
        return
    if count > most:
        wait_s = max(1, WINDOW_S - int(now % WINDOW_S))
        text = f"This token has made {most} calls within a minute. Try again in {wait_s} seconds."
        raise TooManyCalls(text, retry_after_s=wait_s)
