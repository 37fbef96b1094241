"""API tokens: making, revoking, and recognising them.

A token is `bpt_<prefix>_<secret>`: the prefix finds the row, 256 random bits prove it. Only SHA-256 of the whole is
stored; a slow hash would add nothing to a secret that cannot be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.accounts.models import User
from botplatform.audit import trail
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize, permissions_of
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.roles import TOKEN_PERMISSIONS, Permission
from botplatform.database_state import Remembered
from botplatform.errors import Conflict, InvalidInput, NotAllowed
from botplatform.validation import one_line

MARK = "bpt"  # lets scanners of repositories and logs recognise a token
PREFIX_LENGTH = 10
SECRET_BYTES = 32
LONGEST = timedelta(days=366)
USE_NOTED_EVERY = timedelta(minutes=1)
NO_DIGEST = "0" * 64  # compared with when there is no such token, so that both ways take as long
_tokens = Remembered()
_ALPHABET = string.ascii_lowercase + string.digits


@transaction.atomic
def create_token(
    *,
    actor: Actor,
    name: str,
    permissions: Iterable[str],
    expires_at: datetime,
    bots: Sequence[Bot] = (),
    all_bots: bool = False,
    owner: User | None = None,
    form_id: UUID | None = None,
) -> tuple[ApiToken, str]:
    """Make a token for `owner` (default: the actor). Returns it and its text, which can never be shown again.

    It covers `bots`, or with `all_bots` all that the owner sees, now and later, and the platform. Whoever holds it
    can do what `permissions` name and the owner may still do at that moment.
    `form_id` makes the request one that is carried out once.
    Raises `NotAllowed`, `InvalidInput` (`field` names the argument), `Conflict` (that form has made its token).
    """
    creator = _owner(actor, owner)
    if all_bots == bool(bots):
        raise InvalidInput("A token is either for all bots, or for the bots you name.", field="bots")
    wanted = _permissions(permissions)
    for bot in bots:
        _within(creator, wanted, bot)
    if all_bots:
        _somewhere(creator, wanted)
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH))
    text = f"{MARK}_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    token = ApiToken(
        id=form_id or uuid4(),
        name=one_line(name, field="name", label="The name", max_length=100),
        prefix=prefix,
        digest=_digest(text),
        permissions=sorted(wanted),
        all_bots=all_bots,
        created_by=creator,
        expires_at=_expiry(expires_at),
    )
    _insert(token)
    token.bots.set(bots)
    _record(actor, Action.TOKEN_CREATED, token, list(bots))
    return token, text


@transaction.atomic
def revoke_token(*, actor: Actor, token: ApiToken) -> ApiToken:
    """End a token for good: one's own, or anybody's with the permission to manage users. Twice changes nothing."""
    if actor.user_id is None or actor.user_id != token.created_by_id:
        _people_only(actor)
        authorize(actor, Permission.USER_MANAGE, bot=None)
    locked = ApiToken.objects.select_for_update(of=("self",)).select_related("created_by").get(pk=token.pk)
    if locked.revoked_at is None:
        locked.revoked_at = timezone.now()
        locked.save(update_fields=["revoked_at"])
        _record(actor, Action.TOKEN_REVOKED, locked, list(locked.bots.all()))
    return locked


def authenticate(text: str) -> ApiToken | None:
    """The token that `text` is, if it opens anything now; with its creator. One query at most, none while nothing is
    committed. What is no token takes as long whether or not its prefix is known."""
    digest = _digest(text)
    known = _tokens.entries()
    token: ApiToken | None = known.get(digest) or _read(text, digest)
    if token is None or not token.is_active:
        return None
    if digest not in known:
        known[digest] = token
        token.judged, token.found  # noqa: B018 - made now, so that all copies share them
    return copy(token)


def _read(text: str, digest: str) -> ApiToken | None:
    prefix = text.split("_", 2)[1] if text.startswith(f"{MARK}_") and text.isascii() and "\0" not in text else ""
    token = next(iter(ApiToken.objects.select_related("created_by").filter(prefix=prefix).order_by()), None)
    genuine = hmac.compare_digest(digest, token.digest if token else NO_DIGEST)
    return token if genuine else None


def note_use(token: ApiToken) -> None:
    """Remember that the token was used: written at most once a minute, so that a call costs no write."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


def _insert(token: ApiToken) -> None:
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError as error:
        if not ApiToken.objects.filter(pk=token.pk).exists():
            raise
        text = "This form has made its token already. If you did not copy it, revoke it and make a new one."
        raise Conflict(text) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _owner(actor: Actor, owner: User | None) -> User:
    """In whose name the token acts. People make their own; who may run `manage.py` makes anybody's."""
    _people_only(actor)
    creator = owner or actor.user
    if creator is None:
        raise InvalidInput("Name the user in whose name the token acts.", field="user")
    if actor.kind is not ActorKind.OPERATING_SYSTEM and actor.user != creator:
        raise NotAllowed("You can make tokens for yourself only.")
    if not creator.is_active:
        raise InvalidInput(f"{creator.username} is not active.", field="user")
    return creator


def _people_only(actor: Actor) -> None:
    if actor.kind is ActorKind.TOKEN:
        raise NotAllowed("A token cannot make or revoke tokens.")


def _permissions(permissions: Iterable[str]) -> frozenset[Permission]:
    known = {permission.value: permission for permission in TOKEN_PERMISSIONS}
    names = set(permissions)
    if unknown := sorted(names - set(known)):
        raise InvalidInput(f"A token cannot carry the permission “{unknown[0][:60]}”.", field="permissions")
    if not names:
        raise InvalidInput("Choose at least one permission.", field="permissions")
    return frozenset(known[name] for name in names)


def _within(creator: User, wanted: frozenset[Permission], bot: Bot) -> None:
    """Raise unless the creator has all of it on `bot`. An unknown bot and a foreign one look the same."""
    if missing := sorted(wanted - permissions_of(creator, bot)):
        text = f"{creator.username} lacks the permission “{missing[0].value}” on the bot {bot.slug}."
        raise InvalidInput(text, field="permissions")


def _somewhere(creator: User, wanted: frozenset[Permission]) -> None:
    """Raise unless each permission is the creator's on some bot or on the platform: at use it is judged per bot."""
    held = set(permissions_of(creator, None))
    for bot in Bot.objects.visible_to(creator).iterator():
        if wanted <= held:
            break
        held |= permissions_of(creator, bot)
    if missing := sorted(wanted - held):
        raise InvalidInput(f"{creator.username} lacks the permission “{missing[0].value}”.", field="permissions")


def _expiry(expires_at: datetime) -> datetime:
    now = timezone.now()
    if not now < expires_at <= now + LONGEST:
        raise InvalidInput("A token lives at least a moment and at most a year.", field="expires_at")
    return expires_at


def _record(actor: Actor, action: Action, token: ApiToken, bots: Sequence[Bot]) -> None:
    trail.record(
        actor=actor,
        action=action,
        object_type="api_token",
        object_id=token.pk,
        object_name=f"{token.name} ({token.prefix})",
        bot=bots[0] if len(bots) == 1 else None,
        facts={
            "of": token.created_by.username,
            "permissions": token.permissions,
            "bots": "all" if token.all_bots else sorted(bot.slug for bot in bots),
            "expires_at": token.expires_at,
        },
    )
