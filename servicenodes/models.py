"""Service nodes with their sealed headers, the record of their connection tests, proofs and alarms."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from botplatform.accounts.actors import ActorKind
from botplatform.bots.models import Bot, validate_slug
from certificates.models import CertificateVersion, ClientCertificate, Place, TrustStore
from servicenodes import counter_models  # noqa: F401 - the app's models are loaded from here
from servicenodes.templating import METHODS

if TYPE_CHECKING:
    from botplatform.accounts.models import User
    from botplatform.bots.models import ApiToken


MAX_BODY_LENGTH = 100_000
AWAITED_FOR = timedelta(hours=24)  # a test that no worker has begun by then is not begun any more
TAKEN_UP_WITHIN = timedelta(minutes=2)  # by another worker: a test of a proof that its worker left
MAX_METHOD_LENGTH = 69  # of a variable, with the longest name


class TLSVersion(models.TextChoices):
    """TLS versions a node may insist on."""

    TLS_1_2 = "1.2", "TLS 1.2"
    TLS_1_3 = "1.3", "TLS 1.3"


class ServiceNodeQuerySet(models.QuerySet["ServiceNode"]):
    """Reads of service nodes."""

    def visible_to(self, viewer: User | ApiToken) -> ServiceNodeQuerySet:
        if viewer.is_active and (viewer.is_administrator or viewer.is_auditor):
            return self  # as in `visible_filter`: no condition where every row meets it
        return self.filter(bot__in=Bot.objects.visible_to(viewer).values("pk"))

    def with_url(self) -> ServiceNodeQuerySet:
        """Those that can be tested and called."""
        return self.exclude(url="")


class ServiceNode(models.Model):
    """One outbound API call of a bot's dialog: method, URL, headers, TLS policy."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="service_nodes")
    dialog = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=63, validators=[validate_slug])
    method = models.CharField(max_length=MAX_METHOD_LENGTH, default="GET")  # one of METHODS, or one variable
    url = models.CharField(max_length=2000, blank=True)  # empty: of an import that knows none, see `exported_url`
    headers = models.JSONField(default=dict, blank=True)  # those that are no secret; the rest are `sealed_headers`
    body = models.TextField(blank=True, default="", max_length=MAX_BODY_LENGTH)
    certificate = models.ForeignKey(
        ClientCertificate, null=True, blank=True, on_delete=models.PROTECT, related_name="service_nodes"
    )  # null: the bot's default, else the platform's
    trust_store = models.ForeignKey(
        TrustStore, null=True, blank=True, on_delete=models.PROTECT, related_name="service_nodes"
    )  # null: the system's
    server_name = models.CharField(max_length=253, blank=True)  # overrides the URL's host for SNI and verification
    min_tls = models.CharField(max_length=3, choices=TLSVersion.choices, default=TLSVersion.TLS_1_2)
    require_mutual_tls = models.BooleanField(default=True)  # no call unless the server asks for the certificate
    timeout_s = models.PositiveSmallIntegerField(default=10, validators=[MinValueValidator(1), MaxValueValidator(60)])
    revision = models.PositiveIntegerField(default=1)  # grows with every change; guards against lost updates
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Of nodes that came with a bot definition: which one it is there, in place of a URL that cannot be called what the
    # definition says, and a keyed digest of the secret header values that came last.
    external_id = models.CharField(max_length=200, blank=True, default="", editable=False)
    exported_url = models.CharField(max_length=2000, blank=True, default="", editable=False)
    secrets_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    # The test that finished last, repeated here: lists sort and count by it, and tests outnumber nodes.
    last_verdict = models.CharField(max_length=30, blank=True, default="", editable=False)  # empty: never tested
    last_summary = models.TextField(blank=True, default="", editable=False)
    last_tested_at = models.DateTimeField(null=True, editable=False)

    objects = ServiceNodeQuerySet.as_manager()

    class Meta:
        ordering = ("bot__slug", "dialog", "name")
        constraints = (
            models.UniqueConstraint(name="node_slug_once", fields=("bot", "slug")),
            models.UniqueConstraint(
                name="node_external_id_once", fields=("bot", "external_id"), condition=~Q(external_id="")
            ),
            models.CheckConstraint(
                name="node_method_known", condition=Q(method__in=METHODS) | Q(method__startswith="{{")
            ),
            models.CheckConstraint(name="node_min_tls_known", condition=Q(min_tls__in=TLSVersion.values)),
            models.CheckConstraint(name="node_timeout_range", condition=Q(timeout_s__gte=1, timeout_s__lte=60)),
            models.CheckConstraint(
                name="node_url_https", condition=Q(url__startswith="https://") | (Q(url="") & ~Q(exported_url=""))
            ),
            models.CheckConstraint(name="node_name_given", condition=~Q(name="")),
            models.CheckConstraint(name="node_slug_form", condition=Q(slug__regex=r"^[a-z0-9]+(?:-[a-z0-9]+)*\Z")),
        )
        indexes = (  # for lists and numbers: of everything, of one’s own bots, without a certificate
            models.Index(name="node_by_verdict", fields=("last_verdict", "bot", "last_tested_at")),
            models.Index(name="node_of_bot_by_verdict", fields=("bot", "last_verdict", "last_tested_at")),
            models.Index(name="node_by_certificate", fields=("certificate", "created_at", "bot")),
            models.Index(name="node_needs_url", fields=("bot", "last_verdict"), condition=Q(url="")),
        )

    def __str__(self) -> str:
        return self.path

    @property
    def path(self) -> str:
        """`bot-slug/node-slug`, as commands take it. Needs `bot` loaded."""
        return f"{self.bot.slug}/{self.slug}"

    def get_absolute_url(self) -> str:
        """Its page in the console. Needs `bot` loaded."""
        return reverse("servicenodes:node", args=[self.bot.slug, self.slug])

    @property
    def title(self) -> str:
        """`dialog / name`: names repeat within a bot."""
        return f"{self.dialog} / {self.name}" if self.dialog else self.name

    @property
    def sort_key(self) -> tuple[list[tuple[int, str]], str]:
        """To sort a list that people read: “9 Cards” before “10 Rates”. Needs `bot` loaded."""
        parts = re.split(r"([0-9]+)", self.title.casefold())
        return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)], self.bot.slug


class SealedHeader(models.Model):
    """A header of a node whose value is a credential, as an opaque envelope. Only `services.headers` reads it.

    A new value is a new row, so an older envelope does not open in its place.
    """

    place_needs = ("node",)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(ServiceNode, on_delete=models.CASCADE, related_name="sealed_headers")
    name = models.CharField(max_length=200)
    envelope = models.BinaryField()
    key_id = models.CharField(max_length=40, db_index=True)  # of the key-encryption key that wraps it
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("node", "name")
        constraints = (models.UniqueConstraint("node", Lower("name"), name="sealed_header_once"),)

    def __str__(self) -> str:
        return f"header {self.name} of {self.node.path}"

    def place(self) -> Place:
        """Bound to the row, its node and its name: neither the envelope nor the row can be moved."""
        object_id = f"{self.pk}/{self.node_id}/{self.name.lower()}"
        return "servicenodes.SealedHeader", object_id, str(self.node.bot_id), 0


class ConnectionTestQuerySet(models.QuerySet["ConnectionTest"]):
    """Reads of connection tests."""

    def visible_to(self, viewer: User | ApiToken) -> ConnectionTestQuerySet:
        return self.filter(node__bot__in=Bot.objects.visible_to(viewer).values("pk"))

    def queued(self) -> ConnectionTestQuerySet:
        """Those in this state."""
        awaited_from = timezone.now() - AWAITED_FOR
        return self.filter(finished_at__isnull=True, started_at__isnull=True, requested_at__gt=awaited_from)

    def begun(self) -> ConnectionTestQuerySet:
        """Those of a proof that a worker is at, or has left a moment ago."""
        left = timezone.now() - TAKEN_UP_WITHIN
        return self.exclude(side="").filter(finished_at__isnull=True, lease_until__gt=left)


class RunState(StrEnum):
    """Where a test is. `interrupted`: its worker died, or no worker came for too long; ask for another."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


class Side(models.TextChoices):
    """Which test of a proof: with the active version, with the one that may be promoted, or after the promotion."""

    NOW = "now"
    NEXT = "next"
    AFTER = "after"


class Proof(models.Model):
    """One run of tests of every node that presents a certificate: a comparison, or a re-test after a promotion.

    A comparison tests each node with the active version (`now`) and with the one that may be promoted (`next`). A
    re-test tests what was promoted (`next`), from `due_at` on; `now` is the version that was active before.
    """

    class Kind(models.TextChoices):
        COMPARISON = "comparison"
        RETEST = "retest"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    certificate = models.ForeignKey(ClientCertificate, on_delete=models.CASCADE, related_name="proofs")
    next_version = models.ForeignKey(CertificateVersion, on_delete=models.CASCADE, related_name="proofs")
    now_version = models.ForeignKey(CertificateVersion, null=True, on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=150)  # outlives the user
    requested_as = models.CharField(max_length=20, default=ActorKind.USER.value)  # how: see `ActorKind`
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    due_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)  # when all its tests were queued

    class Meta:
        ordering = ("-requested_at",)
        indexes = (
            models.Index(name="proof_by_version", fields=("next_version", "kind", "-requested_at")),
            models.Index(name="proof_due", fields=("due_at",), condition=Q(started_at__isnull=True)),
        )
        constraints = (models.CheckConstraint(name="proof_kind_known", condition=Q(kind__in=("comparison", "retest"))),)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    def version_of(self, side: str) -> CertificateVersion | None:
        """What a test of this side presents."""
        return self.now_version if side == Side.NOW else self.next_version


class ConnectionTest(models.Model):
    """One test of one node: who asked, what was seen so far, and at the end the whole report."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(ServiceNode, on_delete=models.CASCADE, related_name="tests")
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.CharField(max_length=150)  # outlives the user
    requested_as = models.CharField(max_length=20, default=ActorKind.USER.value)  # how: see `ActorKind`
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="connection_tests"
    )  # null: nobody who has an account, or has it still
    target = models.CharField(max_length=300)  # host:port, for the rate limit
    started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)  # past and unfinished: the worker died
    finished_at = models.DateTimeField(null=True)
    steps = models.JSONField(default=list)  # filled in while it runs, as in the report
    verdict = models.CharField(max_length=30, blank=True)  # empty until finished
    reason = models.CharField(max_length=60, blank=True)
    summary = models.TextField(blank=True)
    basis = models.CharField(max_length=64, blank=True, default="")  # of `services.basis`; empty: not known
    report = models.JSONField(null=True)
    version = models.ForeignKey(
        CertificateVersion, null=True, on_delete=models.SET_NULL, related_name="connection_tests"
    )  # what was to be presented
    presented = models.BooleanField(default=False)  # whether it was: no connection may have come so far
    proof = models.ForeignKey(Proof, null=True, on_delete=models.SET_NULL, related_name="tests")
    side = models.CharField(max_length=5, choices=Side.choices, blank=True, default="")  # of the proof; empty: of none

    objects = ConnectionTestQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at",)
        indexes = (
            models.Index(name="test_by_node", fields=("node", "-requested_at")),
            models.Index(name="test_by_time", fields=("requested_at",)),
            models.Index(name="test_unfinished", fields=("requested_at",), condition=Q(finished_at__isnull=True)),
        )
        constraints = (
            models.CheckConstraint(
                name="test_finished_has_verdict",
                condition=Q(finished_at__isnull=True, verdict="") | (Q(finished_at__isnull=False) & ~Q(verdict="")),
            ),
        )

    def __str__(self) -> str:
        return f"test {self.pk}"

    @property
    def state(self) -> RunState:
        """Where it is now, by the clock: a lease that has run out means that the worker died.

        A test of a proof then waits for another worker: nobody looks at it to ask again.
        """
        now = timezone.now()
        if self.finished_at is not None:
            return RunState.FINISHED
        if self.started_at is None:
            return RunState.QUEUED if self.requested_at > now - AWAITED_FOR else RunState.INTERRUPTED
        if self.lease_until is not None and self.lease_until > now:
            return RunState.RUNNING
        waits = self.side and self.lease_until is not None and self.lease_until > now - TAKEN_UP_WITHIN
        return RunState.QUEUED if waits else RunState.INTERRUPTED


class Alarm(models.Model):
    """A node that worked with the version before a promotion, and failed when it was tested after it. At most one is
    open for a node."""

    class Closing(models.TextChoices):
        SWITCHED = "switched"  # another version is presented: a rollback, or the next promotion
        ACCEPTED = "accepted"  # a later test was accepted
        BY_HAND = "by hand"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    node = models.ForeignKey(ServiceNode, on_delete=models.CASCADE, related_name="alarms")
    version = models.ForeignKey(CertificateVersion, on_delete=models.CASCADE, related_name="alarms")  # fails
    before = models.ForeignKey(CertificateVersion, on_delete=models.CASCADE, related_name="+")  # worked
    verdict = models.CharField(max_length=30)
    summary = models.TextField()
    raised_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    closed_how = models.CharField(max_length=10, choices=Closing.choices, blank=True, default="")
    closed_by = models.CharField(max_length=150, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")  # of who closed it by hand

    class Meta:
        ordering = ("-raised_at",)
        constraints = (
            models.UniqueConstraint(name="alarm_one_open", fields=("node",), condition=Q(closed_at__isnull=True)),
            models.CheckConstraint(
                name="alarm_closed_how",
                condition=Q(closed_at__isnull=True, closed_how="") | (Q(closed_at__isnull=False) & ~Q(closed_how="")),
            ),
        )

    def __str__(self) -> str:
        return f"alarm {self.pk}"


class ServerCertificate(models.Model):
    """The certificate that a node's server presented in the newest test that saw one."""

    node = models.OneToOneField(
        ServiceNode, primary_key=True, on_delete=models.CASCADE, related_name="server_certificate"
    )
    target = models.CharField(max_length=300)  # host:port
    subject = models.TextField()
    sha256 = models.CharField(max_length=64)
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(name="server_by_expiry", fields=("not_after",)),)

    def __str__(self) -> str:
        return f"{self.target}: {self.subject}"
