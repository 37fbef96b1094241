"""Answers kept for repeated requests (`Idempotency-Key`)."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from botplatform.bots.models import ApiToken


class KeptAnswer(models.Model):
    """What one request with an `Idempotency-Key` was answered. Without a status it is being worked on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="kept_answers")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)  # keyed digest of the request: it may hold a passphrase
    status = models.PositiveSmallIntegerField(null=True)
    document = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(name="kept_answer_once", fields=("token", "key")),)
        indexes = (models.Index(name="kept_answer_by_age", fields=("created_at",)),)

    def __str__(self) -> str:
        return f"answer to {self.key}"
