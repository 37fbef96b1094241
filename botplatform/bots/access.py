"""Who may do what: the bridge from users and memberships to the pure table in `roles`.

Doors call `require_permission` (views); services call `authorize`. Both end in `permissions_of`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.accounts.models import User
from botplatform.bots.models import ApiToken, Bot, BotQuerySet, Membership
from botplatform.bots.roles import (
    ADMINISTRATOR_PERMISSIONS,
    AUDITOR_PERMISSIONS,
    EVERYBODY_PERMISSIONS,
    PERMISSION_WORDS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
    permissions_on_bot,
    permissions_on_platform,
)
from botplatform.errors import NotAllowed

ViewFunction = Callable[..., HttpResponse]
NAMED = 3  # so many owners are named to whoever needs another role
PUBLIC = "public"  # the permission of the few pages that need no sign-in


def permissions_of(user: User, bot: Bot | None) -> frozenset[Permission]:
    """What `user` may do with `bot`, or with what belongs to the platform when `bot` is None. One query at most."""
    if not user.is_active:
        return frozenset()
    if bot is None:
        return permissions_on_platform(user.platform_role)
    if user.is_administrator:
        return ADMINISTRATOR_PERMISSIONS
    role = Membership.objects.filter(user=user, bot=bot).order_by("pk").values_list("role", flat=True).first()
    return permissions_on_bot(user.platform_role, role)


def bots_allowing(user: User, permission: Permission) -> BotQuerySet:
    """The bots on which `user` has `permission`."""
    bots = Bot.objects.visible_to(user)
    if permission in permissions_on_bot(user.platform_role, None):
        return bots
    roles = [role.value for role in Role if permission in ROLE_PERMISSIONS[role]]
    return bots.filter(pk__in=Membership.objects.filter(user=user, role__in=roles).values("bot"))


def actor_permissions(actor: Actor, bot: Bot | None) -> frozenset[Permission]:
    """What `actor` may do; the operating system's user and the platform itself may do everything."""
    if actor.kind in {ActorKind.OPERATING_SYSTEM, ActorKind.PLATFORM}:
        return ADMINISTRATOR_PERMISSIONS
    if actor.kind is ActorKind.TOKEN:
        return token_permissions(actor.token, bot) if actor.token else frozenset()
    return permissions_of(actor.user, bot) if actor.user else frozenset()


def token_permissions(token: ApiToken, bot: Bot | None) -> frozenset[Permission]:
    """What the holder of `token` may do: what it was given, and its creator may still do, within its bots.

    A token for some bots has on the platform only what everybody has. The answer is kept with the object, which lives
    as long as one request or until something is committed: the guard of a route and its service ask the same.
    """
    if not token.is_active:
        return frozenset()
    key = bot.pk if bot else None
    if key not in token.judged:
        token.judged[key] = _judge(token, bot)
    return token.judged[key]


def find_bot(token: ApiToken, slug: str) -> Bot | None:
    """The bot called `slug`, if the token sees it; with what the token may do with it, in one query.

    It is kept with the token, as `judged` is.
    """
    bot = token.found.get(slug) or _read_bot(token, slug)
    if bot is None:
        return None
    token.found[slug] = bot
    return copy(bot)


def _read_bot(token: ApiToken, slug: str) -> Bot | None:
    creator = token.created_by
    visible = Bot.objects.visible_to(token).filter(slug=slug).order_by()
    if creator.is_administrator or creator.is_auditor:
        return next(iter(visible), None)
    # The role is that of the membership that makes the bot visible.
    bot = next(iter(visible.annotate(role=F("memberships__role"))), None)
    if bot is not None:
        token.judged[bot.pk] = permissions_on_bot(creator.platform_role, getattr(bot, "role")) & token.granted  # noqa: B009
    return bot


def _judge(token: ApiToken, bot: Bot | None) -> frozenset[Permission]:
    if bot is None:
        of_creator = permissions_of(token.created_by, None) if token.all_bots else EVERYBODY_PERMISSIONS
    else:
        of_creator = permissions_of(token.created_by, bot) if token.covers(bot) else frozenset()
    return of_creator & token.granted


def authorize(actor: Actor, permission: Permission, *, bot: Bot | None) -> None:
    """Let the act pass or raise `NotAllowed`. Every service begins with this."""
    if permission not in actor_permissions(actor, bot):
        where = f"the bot {bot.slug}" if bot else "the platform"
        raise NotAllowed(f"{actor.name} lacks the permission “{permission.value}” on {where}.")


def require_permission(permission: Permission) -> Callable[[ViewFunction], ViewFunction]:
    """Guard a console view.

    A route with a `bot` slug hands the view the `Bot` itself, loaded through `visible_to`: a foreign bot and a
    missing one give the same 404. A visible bot without the permission gives 403. A route without `bot`, or with
    `bot=None`, is judged by the platform's permissions. `request.permissions` is set for templates.
    """

    def decorate(view: ViewFunction) -> ViewFunction:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return _sign_in_first(request)
            bot: Bot | None = None
            if kwargs.get("bot") is not None:
                bot = Bot.objects.visible_to(request.user).filter(slug=kwargs["bot"]).first()
                if bot is None:
                    raise Http404
                kwargs["bot"] = bot
            assert isinstance(request.user, User)
            granted = permissions_of(request.user, bot)
            request.permissions = granted  # type: ignore[attr-defined]
            if permission not in granted:
                raise NotAllowed(_refusal(request.user, permission, bot))
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and from there to the page asked for, or to the one that a form or a part came from."""
    if getattr(request, "htmx", False):  # a part of a page: the whole page is left
        answer = HttpResponse()
        answer["HX-Redirect"] = redirect_to_login(_own(request, request.headers.get("HX-Current-URL", ""))).url
        return answer
    if request.method in {"GET", "HEAD"}:
        return redirect_to_login(request.get_full_path())
    messages.warning(request, "Your session had ended, so what you sent was not saved. Sign in, and do it again.")
    return redirect_to_login(_own(request, request.headers.get("Referer", "")))


def _own(request: HttpRequest, page: str) -> str:
    """The address of a page of ours without its host; of a foreign one, the overview."""
    here = url_has_allowed_host_and_scheme(page, {request.get_host()})
    return urlsplit(page)._replace(scheme="", netloc="").geturl() if here else "/"


def _refusal(user: User, permission: Permission, bot: Bot | None) -> str:
    """What one may not do, in which role, and who can change that."""
    act = PERMISSION_WORDS[permission]
    if bot is None:
        others = " and auditors" if permission in AUDITOR_PERMISSIONS else ""
        return f"Only platform administrators{others} may {act} here. Ask one of them."
    people = Membership.objects.filter(bot=bot)
    role = people.filter(user=user).values_list("role", flat=True).first() or user.platform_role
    owners = list(people.filter(role=Role.OWNER, user__is_active=True).values_list("user__username", flat=True)[:NAMED])
    whom = f"an owner ({', '.join(owners)})" if owners else "a platform administrator"
    return f"As {role.replace('_', ' ')} of {bot.name} you may not {act}. Ask {whom} for another role."


def public(view: ViewFunction) -> ViewFunction:
    """Mark a view as open to everybody; the URL walk test accepts no view without a mark."""
    view.permission = PUBLIC  # type: ignore[attr-defined]
    return view
