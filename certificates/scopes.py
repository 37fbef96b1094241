"""What belongs to a bot or to the platform, and which of it a viewer may know of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q
from django.urls import reverse

from botplatform.bots.models import PLATFORM_SLUG, Bot, validate_slug

if TYPE_CHECKING:
    from botplatform.accounts.models import User
    from botplatform.bots.models import ApiToken

Row = TypeVar("Row", bound=models.Model)


def visible_filter(viewer: User | ApiToken) -> Q:
    """Objects with a nullable `bot`: the viewer's bots, and what belongs to the platform."""
    if viewer.is_administrator or viewer.is_auditor:
        return Q()  # all there is: a condition that every row meets would only cost time
    return Q(bot__isnull=True) | Q(bot__in=Bot.objects.visible_to(viewer).values("pk"))


class OwnedQuerySet(models.QuerySet[Row]):
    """Reads of what bots and the platform own."""

    def visible_to(self, viewer: User | ApiToken) -> Self:
        return self.filter(visible_filter(viewer)) if viewer.is_active else self.none()

    def of_owner(self, owner: Bot | None) -> Self:
        """Those of a bot, or of the platform when `owner` is None."""
        return self.filter(bot=owner) if owner else self.filter(bot__isnull=True)

    def usable_by(self, owner: Bot | None) -> Self:
        """Those that what `owner` has may refer to: its own, and the platform's."""
        return self.filter(Q(bot__isnull=True) | Q(bot=owner)) if owner else self.filter(bot__isnull=True)


class Owned(models.Model):
    """A thing with a name that is its own among those of its bot, or of the platform where `bot` is null."""

    page: ClassVar[str]  # the route of its page of a bot; that of the platform begins with `platform_`
    if TYPE_CHECKING:
        bot: models.ForeignKey[Bot | None, Bot | None]

    name = models.CharField(max_length=63, validators=[validate_slug])

    class Meta:
        abstract = True
        ordering = ("bot__slug", "name")

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        """`bot-slug/name` or `platform/name`, as commands take it. Needs `bot` loaded."""
        return f"{self.bot.slug if self.bot else PLATFORM_SLUG}/{self.name}"

    def get_absolute_url(self) -> str:
        """Its page in the console. Needs `bot` loaded."""
        if self.bot is None:
            return reverse(f"certificates:platform_{self.page}", args=[self.name])
        return reverse(f"certificates:{self.page}", args=[self.bot.slug, self.name])


def named_once(kind: str) -> tuple[models.BaseConstraint, ...]:
    """The constraints on a name, for the table of this kind."""
    return (
        models.UniqueConstraint(name=f"{kind}_name_once", fields=("bot", "name"), condition=Q(bot__isnull=False)),
        models.UniqueConstraint(name=f"{kind}_platform_name_once", fields=("name",), condition=Q(bot__isnull=True)),
        models.CheckConstraint(name=f"{kind}_name_form", condition=Q(name__regex=r"^[a-z0-9]+(?:-[a-z0-9]+)*\Z")),
    )
