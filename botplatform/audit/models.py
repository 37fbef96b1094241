"""The trail's rows. Database triggers on both engines refuse UPDATE and DELETE (see the migrations)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

from botplatform.accounts.actors import ActorKind
from botplatform.bots.models import ApiToken, Bot
from botplatform.bots.roles import ROLE_PERMISSIONS, Permission, Role

if TYPE_CHECKING:
    from botplatform.accounts.models import User

_ROLES_THAT_SEE = [role.value for role in Role if Permission.AUDIT_VIEW in ROLE_PERMISSIONS[role]]


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Reads of the trail."""

    def visible_to(self, viewer: User | ApiToken) -> AuditEventQuerySet:
        """All for administrators and auditors; for others the events of bots whose trail they may read."""
        if viewer.is_administrator or viewer.is_auditor:
            return self
        user = viewer.created_by if isinstance(viewer, ApiToken) else viewer
        bots = Bot.objects.visible_to(viewer)
        if not (user.is_administrator or user.is_auditor):
            bots = bots.filter(memberships__user=user, memberships__role__in=_ROLES_THAT_SEE)
        return self.filter(bot_id__in=bots.values("pk"))


class AuditEvent(models.Model):
    """One thing that happened. Copies names and ids, so that it outlives the user and the object."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    position = models.PositiveBigIntegerField(unique=True)  # 1, 2, 3 … without a gap
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    bot_id = models.UUIDField(null=True)  # scope of visibility; null: the platform
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=40)
    object_name = models.CharField(max_length=300)
    facts = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ("-position",)
        indexes = (
            models.Index(name="audit_by_bot", fields=("bot_id", "-position")),
            models.Index(name="audit_by_object", fields=("object_id", "-position")),
            models.Index(name="audit_by_action", fields=("action", "-position")),
        )

    def __str__(self) -> str:
        return f"{self.position} {self.action} {self.object_name}"


class AuditHead(models.Model):
    """The chain's end: one row, locked by each writer, so that positions have no gap and no fork."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = (models.CheckConstraint(name="audit_head_single", condition=models.Q(id=1)),)

    def __str__(self) -> str:
        return f"{self.position} {self.hash}"

    def append(self, event: AuditEvent) -> None:
        """Save `event` as the end of the chain. Only `trail.record` calls it, with this row locked."""
        event.save(force_insert=True)
        self.position, self.hash = event.position, event.hash
        self.save(update_fields=("position", "hash"))
