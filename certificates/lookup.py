"""Finding things by the names people type, within what the actor may see.

A missing object and one the actor may not see give the same `NotFound`.
"""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet

from botplatform.accounts.actors import Actor, ActorKind
from botplatform.accounts.models import User
from botplatform.bots.models import PLATFORM_SLUG, ApiToken, Bot
from botplatform.errors import InvalidInput, NotFound
from certificates.issuer_models import CertificateIssuer
from certificates.models import ClientCertificate, ClientCertificateQuerySet, TrustStore
from certificates.scopes import OwnedQuerySet


def scope_of(actor: Actor) -> User | ApiToken | None:
    """The user or token whose view limits the actor, or None when the actor sees everything."""
    if actor.kind in {ActorKind.OPERATING_SYSTEM, ActorKind.PLATFORM}:
        return None
    viewer = actor.token or actor.user
    if viewer is None:
        raise TypeError(f"an actor of the kind {actor.kind} without a user or token")
    return viewer


def visible_bots(actor: Actor) -> QuerySet[Bot]:
    """The bots the actor may know of."""
    viewer = scope_of(actor)
    return Bot.objects.all() if viewer is None else Bot.objects.visible_to(viewer)


def visible_certificates(actor: Actor) -> ClientCertificateQuerySet:
    """The client certificates the actor may know of, with their bots."""
    viewer = scope_of(actor)
    certificates: ClientCertificateQuerySet = ClientCertificate.objects.select_related("bot")
    return certificates if viewer is None else certificates.visible_to(viewer)


def visible_trust_stores(actor: Actor) -> OwnedQuerySet[TrustStore]:
    """The trust stores the actor may know of, with their bots."""
    viewer = scope_of(actor)
    stores: OwnedQuerySet[TrustStore] = TrustStore.objects.select_related("bot")
    return stores if viewer is None else stores.visible_to(viewer)


def visible_issuers(actor: Actor) -> OwnedQuerySet[CertificateIssuer]:
    """The issuers the actor may know of, with their bots."""
    viewer = scope_of(actor)
    issuers: OwnedQuerySet[CertificateIssuer] = CertificateIssuer.objects.select_related("bot")
    return issuers if viewer is None else issuers.visible_to(viewer)


def find_bot(actor: Actor, slug: str) -> Bot:
    """The bot called `slug`. Raises `NotFound`."""
    return _the(visible_bots(actor).filter(slug=slug), f"There is no bot “{slug}”.")


def find_owner(actor: Actor, slug: str) -> Bot | None:
    """The bot called `slug`, or None for `platform`. Raises `NotFound`."""
    return None if slug == PLATFORM_SLUG else find_bot(actor, slug)


def split_path(path: str, *, what: str, form: str) -> tuple[str, str]:
    """`a/b` → (`a`, `b`). Raises `InvalidInput` that tells the form."""
    first, slash, second = path.partition("/")
    if not (first and slash and second) or "/" in second:
        raise InvalidInput(f"“{path}” does not name a {what}: write {form}.")
    return first, second


def find_certificate(actor: Actor, path: str) -> ClientCertificate:
    """The client certificate `bot-slug/name` or `platform/name`. Raises `NotFound`, `InvalidInput`."""
    slug, name = split_path(path, what="client certificate", form="bot-slug/name or platform/name")
    owned = visible_certificates(actor).filter(name=name)
    owned = owned.filter(bot__isnull=True) if slug == PLATFORM_SLUG else owned.filter(bot__slug=slug)
    return _the(owned, f"There is no client certificate “{path}”.")


def find_trust_store(actor: Actor, name: str, bot: Bot | None) -> TrustStore:
    """The trust store `name`: of `bot`, else of the platform; or `bot-slug/name`, `platform/name`.

    Raises `NotFound`, `InvalidInput`.
    """
    return _own_or_of_platform(visible_trust_stores(actor), name, bot, what="trust store")


def find_issuer(actor: Actor, name: str, bot: Bot | None) -> CertificateIssuer:
    """The issuer `name`, found like a trust store. Raises `NotFound`, `InvalidInput`."""
    return _own_or_of_platform(visible_issuers(actor), name, bot, what="issuer")


M = TypeVar("M", Bot, ClientCertificate, TrustStore, CertificateIssuer)


Owned = TypeVar("Owned", TrustStore, CertificateIssuer)


def _own_or_of_platform(visible: QuerySet[Owned], name: str, bot: Bot | None, *, what: str) -> Owned:
    otherwise = f"There is no {what} “{name}”."
    if "/" in name:
        slug, short = split_path(name, what=what, form="name, bot-slug/name or platform/name")
        found = visible.filter(name=short)
        return _the(
            found.filter(bot__isnull=True) if slug == PLATFORM_SLUG else found.filter(bot__slug=slug), otherwise
        )
    of_name = visible.filter(name=name)
    own = of_name.filter(bot=bot).first() if bot else None
    return own or _the(of_name.filter(bot__isnull=True), otherwise)


def _the(found: QuerySet[M], otherwise: str) -> M:
    """The only row, or `NotFound` with the sentence."""
    row = found.first()
    if row is None:
        raise NotFound(otherwise)
    return row
