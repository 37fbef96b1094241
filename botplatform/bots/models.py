"""A bot, and the people who belong to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from botplatform.bots.roles import Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from botplatform.accounts.models import User

SLUG_PATTERN = r"^[a-z0-9]+(?:-[a-z0-9]+)*\Z"
validate_slug = RegexValidator(SLUG_PATTERN, "Use lower-case letters, digits and single hyphens.")
PLATFORM_SLUG = "platform"  # `platform/NAME` names a certificate of the platform
ROLE_CHOICES = [(role.value, role.value.replace("_", " ")) for role in Role]


class BotQuerySet(models.QuerySet["Bot"]):
    """Reads of bots. `visible_to` is the scope that every door starts from."""

    def visible_to(self, user: User | AnonymousUser) -> BotQuerySet:
        """The bots `user` may know of: all for administrators and auditors, else their own."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_administrator or user.is_auditor:
            return self
        return self.filter(memberships__user=user)


class Bot(models.Model):
    """A chatbot of the platform. Owns service nodes, client certificates and trust stores."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200)
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
