"""What service nodes would present if a default changed, before it does.

This app knows of nodes only through the relation of their bot: those with nothing attached present the default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from botplatform.accounts.actors import Actor
from botplatform.bots.access import authorize
from botplatform.bots.models import Bot, BotQuerySet
from botplatform.bots.roles import Permission
from certificates.lookup import visible_bots
from certificates.models import ClientCertificate

NAMED = 50  # so many nodes are named, the rest are counted


@dataclass(frozen=True, slots=True)
class NodeName:
    """A service node, as far as this app needs to name it."""

    bot: str
    slug: str
    title: str

    @property
    def path(self) -> str:
        return f"{self.bot}/{self.slug}"


@dataclass(frozen=True, slots=True)
class DefaultChange:
    """What the nodes with nothing attached present now and after; paths of certificates, None: nothing.

    `nodes` are the first that the actor may see, `count` all of them, `hidden` those in bots that they may not open.
    """

    before: str | None
    after: str | None
    nodes: tuple[NodeName, ...] = ()
    count: int = 0
    hidden: int = 0

    @property
    def unnamed(self) -> int:
        """Those the actor may see beyond the named ones."""
        return self.count - self.hidden - len(self.nodes)


def foresee_default(*, actor: Actor, owner: Bot | None, after: str) -> DefaultChange:
    """If the certificate with the path `after`, which need not exist yet, became the default of `owner`."""
    return _foresee(actor, owner, after)


def foresee_no_default(*, actor: Actor, owner: Bot | None) -> DefaultChange:
    """If `owner` were left without a default: a bot's nodes then fall back to the platform's."""
    return _foresee(actor, owner, _default_of(None) if owner else None)


def served_by_default(actor: Actor, owner: Bot | None) -> DefaultChange:
    """The nodes that present the default of `owner`, or would if it had one."""
    before = _default_of(owner)
    return DefaultChange(before, before, *_nodes(actor, owner))


def current_default(owner: Bot | None) -> str:
    """The path of the default of `owner`, empty without one: what a page showed, to be compared when it is sent."""
    return _default_of(owner) or ""


def _foresee(actor: Actor, owner: Bot | None, after: str | None) -> DefaultChange:
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=owner)
    before = _default_of(owner) or (_default_of(None) if owner else None)
    return DefaultChange(before, after, *(_nodes(actor, owner) if before != after else ()))


def _default_of(owner: Bot | None) -> str | None:
    default = ClientCertificate.objects.of_owner(owner).filter(is_default=True).select_related("bot").first()
    return default.path if default else None


def _nodes(actor: Actor, owner: Bot | None) -> tuple[tuple[NodeName, ...], int, int]:
    """The nodes with nothing attached that no nearer default serves: named, all, hidden."""
    bots = Bot.objects.filter(pk=owner.pk) if owner else Bot.objects.exclude(certificates__is_default=True)
    count = _bare(bots).count()
    visible = _bare(bots.filter(pk__in=visible_bots(actor).values("pk")))
    rows = visible.order_by("slug", "service_nodes__dialog", "service_nodes__name", "service_nodes__slug")
    named = rows.values_list("slug", "service_nodes__slug", "service_nodes__dialog", "service_nodes__name")
    return tuple(_named(named[:NAMED])), count, count - visible.count()


def _bare(bots: BotQuerySet) -> BotQuerySet:
    """A row for each node of these bots with nothing attached."""
    return bots.filter(service_nodes__isnull=False, service_nodes__certificate__isnull=True)


def _named(rows: Iterable[tuple[str, str, str, str]]) -> Iterable[NodeName]:
    for bot, slug, dialog, name in rows:
        yield NodeName(bot, slug, f"{dialog} / {name}" if dialog else name)
