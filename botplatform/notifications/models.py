"""The outbox, where signed webhooks go, and what was reminded of."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from botplatform.bots.models import PLATFORM_SLUG, Bot
from botplatform.keeping import kept_since

if TYPE_CHECKING:
    from botplatform.accounts.models import User


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    """Reads of endpoints."""

    def of_owner(self, owner: Bot | None) -> WebhookEndpointQuerySet:
        """Those of a bot, or of the platform when `owner` is None."""
        return self.filter(bot=owner) if owner else self.filter(bot__isnull=True)


class WebhookEndpoint(models.Model):
    """Where signed webhooks go: what happens to one bot, or (no bot) everything. The signing secret is sealed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=500)  # https; may hold a token, so it is shown only to who may change it
    envelope = models.BinaryField()
    key_id = models.CharField(max_length=40, db_index=True)  # of the key-encryption key that wraps the secret
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ("created_at",)
        constraints = (models.CheckConstraint(name="webhook_url_https", condition=Q(url__startswith="https://")),)

    def __str__(self) -> str:
        return self.host

    def place(self) -> tuple[str, str, str, int]:
        """Bound to the row, its address and its owner: neither the envelope nor the address can be exchanged."""
        return "notifications.WebhookEndpoint", f"{self.pk}/{self.url}", self.owner, 0

    @property
    def host(self) -> str:
        """All of the address that everybody may see."""
        return self.url.removeprefix("https://").split("/", 1)[0].split("?", 1)[0].rpartition("@")[2]

    @property
    def owner(self) -> str:
        """Whose it is, as the secret is bound to it."""
        return str(self.bot_id) if self.bot_id else PLATFORM_SLUG


class Channel(models.TextChoices):
    """How something is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryState(models.TextChoices):
    """Where a delivery is. `sending` past its `due_at`: the worker died; it is sent again under the same id."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"  # given up
    NOT_TOLD = "not told", "Not told"  # who has left meanwhile


SETTLED = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.NOT_TOLD)


class Standing(StrEnum):
    """Where a delivery is, for people; the best first."""

    NOT_TOLD = "not told"
    SENT = "sent"
    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Reads of the outbox."""

    def visible_to(self, user: User) -> DeliveryQuerySet:
        """What was told about bots that the user sees; what concerns the platform, for administrators and auditors."""
        if user.is_administrator or user.is_auditor:
            return self
        return self.filter(bot__in=Bot.objects.visible_to(user).values("pk"))

    def due(self, now: datetime) -> DeliveryQuerySet:
        """What is to be tried at `now`, the oldest first."""
        return self.filter(state__in=(DeliveryState.WAITING, DeliveryState.SENDING), due_at__lte=now).order_by("due_at")


class Delivery(models.Model):
    """One message to one recipient over one channel, written in the transaction of what it tells of.

    `key` names that; with channel and recipient it is unique, so nothing is told twice. The id is the mail's
    Message-ID and the webhook's `webhook-id` in every attempt.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200)
    event = models.CharField(max_length=60)  # such as `certificate.expiring`
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    recipient = models.CharField(max_length=254)  # a mail address, or the endpoint's id
    by_role = models.BooleanField(default=False)  # told for a role alone, so that it is asked again before it is sent
    endpoint = models.ForeignKey(WebhookEndpoint, null=True, on_delete=models.SET_NULL, related_name="deliveries")
    title = models.CharField(max_length=200)
    text = models.TextField()
    link = models.CharField(max_length=500, blank=True)  # a path of the console
    data = models.JSONField(default=dict)
    urgent = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempt = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)  # while it is being sent: when the lease runs out
    note = models.CharField(max_length=300, blank=True)  # what the last attempt said
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        constraints = (
            models.UniqueConstraint(name="delivery_once", fields=("key", "channel", "recipient")),
            models.CheckConstraint(name="delivery_channel_known", condition=Q(channel__in=Channel.values)),
            models.CheckConstraint(name="delivery_state_known", condition=Q(state__in=DeliveryState.values)),
            models.CheckConstraint(
                name="delivery_sent_has_time",
                condition=Q(state=DeliveryState.SENT, sent_at__isnull=False) | ~Q(state=DeliveryState.SENT),
            ),
        )
        indexes = (
            models.Index(
                name="delivery_by_due",
                fields=("due_at",),
                condition=Q(state__in=(DeliveryState.WAITING, DeliveryState.SENDING)),
            ),
            models.Index(name="delivery_by_bot", fields=("bot", "-created_at")),
            models.Index(name="delivery_by_time", fields=("-created_at",)),
        )

    def __str__(self) -> str:
        return f"{self.title} → {self.recipient}"

    @property
    def standing(self) -> Standing:
        """Whether the peer accepted it, and if not, whether it is tried for the first time or again."""
        if self.state in SETTLED:
            return Standing(self.state)
        failed_before = self.attempt - (self.state == DeliveryState.SENDING)
        return Standing.RETRYING if failed_before > 0 else Standing.WAITING

    @property
    def to(self) -> str:
        """The recipient in words: an address, or an endpoint's host. Needs `endpoint` loaded."""
        if self.channel == Channel.MAIL:
            return self.recipient
        return self.endpoint.host if self.endpoint else "an endpoint that was removed"


class Reminder(models.Model):
    """Somebody was reminded that something ends: once for each of its thresholds, for ever."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.CharField(max_length=160)  # names what ends, such as `version:…`; outlives it
    threshold_s = models.PositiveIntegerField()  # how long before the end it was due
    bot = models.ForeignKey(Bot, null=True, blank=True, on_delete=models.CASCADE, related_name="reminders")
    title = models.CharField(max_length=300)
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-created_at",)
        constraints = (models.UniqueConstraint(name="reminder_once", fields=("subject", "threshold_s")),)
        indexes = (models.Index(name="reminder_by_end", fields=("ends_at",)),)

    standings: list[Standing]  # these two are set by `services.reminding.plans`
    deliveries: list[Delivery]

    def __str__(self) -> str:
        return self.title

    @property
    def outcome(self) -> str:
        """What became of its deliveries: “2 sent, 1 failed”. Empty: nobody had an address."""
        numbers = ((self.standings.count(standing), standing) for standing in Standing)
        return ", ".join(f"{number} {standing}" for number, standing in numbers if number)

    @property
    def in_log(self) -> bool:
        """Whether its deliveries are kept: otherwise nobody knows any more what became of them."""
        return self.created_at >= kept_since(timezone.now())

    @property
    def worst(self) -> Standing | None:
        """How it stands with the recipient whom it reached least."""
        return next((standing for standing in reversed(Standing) if standing in self.standings), None)

    @property
    def threshold(self) -> timedelta:
        return timedelta(seconds=self.threshold_s)

    @property
    def key(self) -> str:
        """The key of its deliveries."""
        return f"{self.subject}:{self.threshold_s}"


class CalendarFeed(models.Model):
    """An address that tells calendars when certificates of a bot expire. Only a digest of its secret is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="calendar_feeds")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256, lower-case hexadecimal
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feeds")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True)  # to the hour

    class Meta:
        ordering = ("created_at",)

    def __str__(self) -> str:
        return f"calendar of {self.bot_id}"
