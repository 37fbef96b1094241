"""A bot, the people who belong to it, and the API tokens that programs use in their name."""

from __future__ import annotations

import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from botplatform.bots.roles import Permission, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from botplatform.accounts.models import User

SLUG_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*\Z"
validate_slug = RegexValidator(SLUG_PATTERN, "Use lower-case letters, digits and single hyphens.")
SLUG_LENGTH = 63
PLATFORM_SLUG = "platform"  # `platform/NAME` names a certificate of the platform
ROLE_CHOICES = [(role.value, role.value.replace("_", " ")) for role in Role]


class BotQuerySet(models.QuerySet["Bot"]):
    """Reads of bots. `visible_to` is the scope that every door starts from."""

    def visible_to(self, viewer: User | ApiToken | AnonymousUser) -> BotQuerySet:
        """The bots `viewer` may know of: all for administrators and auditors, else their own.

        A token sees those of its bots that its creator sees.
        """
        if not viewer.is_authenticated or not viewer.is_active:
            return self.none()
        if isinstance(viewer, ApiToken):
            of_creator = self.visible_to(viewer.created_by)
            return of_creator if viewer.all_bots else of_creator.filter(api_tokens=viewer)
        if viewer.is_administrator or viewer.is_auditor:
            return self
        return self.filter(memberships__user=viewer)


class Bot(models.Model):
    """A chatbot of the platform. Owns service nodes, client certificates and trust stores."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200)
    revision = models.PositiveIntegerField(default=1)  # grows with every change; guards against lost updates
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = BotQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(
                name="bot_slug_form", condition=models.Q(slug__regex=SLUG_PATTERN) & ~models.Q(slug=PLATFORM_SLUG)
            ),
            models.CheckConstraint(name="bot_name_given", condition=~models.Q(name="")),
        )

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role on one bot."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=30, choices=ROLE_CHOICES)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("bot", "user")
        constraints = (
            models.UniqueConstraint(name="membership_once", fields=("user", "bot")),
            models.CheckConstraint(
                name="membership_role_known", condition=models.Q(role__in=[role.value for role in Role])
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.bot} · {self.role}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Reads of tokens."""

    def visible_to(self, user: User) -> ApiTokenQuerySet:
        """One's own; all for administrators and auditors."""
        return self if user.is_administrator or user.is_auditor else self.filter(created_by=user)


class ApiToken(models.Model):
    """What a program proves itself with. Only a digest is stored; it can never do more than its creator.

    It is itself a viewer, as a user is: `visible_to(token)` narrows every list.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, unique=True)  # shown, to tell tokens apart
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the whole token, lower-case hexadecimal
    permissions = models.JSONField(default=list)
    all_bots = models.BooleanField(default=False)  # all that the creator sees, and what belongs to the platform
    bots = models.ManyToManyField(Bot, blank=True, related_name="api_tokens")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)  # to the minute
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()
    is_authenticated = True

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.CheckConstraint(name="api_token_name_given", condition=~models.Q(name="")),
            models.CheckConstraint(name="api_token_expires", condition=models.Q(expires_at__gt=models.F("created_at"))),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_active(self) -> bool:
        """Whether it opens anything now. Needs `created_by` loaded."""
        return self.revoked_at is None and not self.is_expired and self.created_by.is_active

    @property
    def is_administrator(self) -> bool:
        """Whether it sees all there is, as its creator does."""
        return self.all_bots and self.created_by.is_administrator

    @property
    def is_auditor(self) -> bool:
        return self.all_bots and self.created_by.is_auditor

    @property
    def granted(self) -> frozenset[Permission]:
        """The permissions it was given, whether or not its creator still has them."""
        return frozenset(permission for permission in Permission if permission.value in self.permissions)

    @cached_property
    def bot_ids(self) -> frozenset[uuid.UUID]:
        """The bots it is limited to. One query for the life of this object."""
        return frozenset(self.bots.values_list("pk", flat=True))

    @cached_property
    def judged(self) -> dict[uuid.UUID | None, frozenset[Permission]]:
        """What `botplatform.bots.access` found out about it, by bot. Copies share it, and `found`."""
        return {}

    @cached_property
    def found(self) -> dict[str, Bot]:
        """The bots that `botplatform.bots.access` found for it, by slug."""
        return {}

    def covers(self, bot: Bot) -> bool:
        """Whether `bot` is among its bots."""
        return self.all_bots or bot.pk in self.bot_ids
