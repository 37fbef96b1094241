"""Alarms: a node worked with the version before a promotion, and fails with the promoted one."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.actions import Action
from botplatform.bots.access import authorize, bots_allowing, permissions_of
from botplatform.bots.models import Bot
from botplatform.bots.roles import Permission
from botplatform.errors import Conflict
from botplatform.notifications.services.outbox import post
from botplatform.validation import one_line
from certificates.models import CertificateVersion, VersionStatus
from certificates.services import defaults, rotation
from certificates.services.rotation import MAX_REASON, Rotation
from servicenodes.comparison import Seen
from servicenodes.models import Alarm, ConnectionTest, Side
from servicenodes.services import nodes
from servicenodes.services.proofs import last_accepted_with

SHOWN = 20
NOT_ABOUT_CERTIFICATE = "That says nothing of the certificate, so a rollback may not help."


def consider(*, actor: Actor, test: ConnectionTest) -> None:
    """A node was tested as it is now: raise an alarm, or close the one that this answers. Inside a transaction."""
    if Seen(test.verdict).accepted:
        _close(actor, open_alarms().filter(node=test.node_id), Alarm.Closing.ACCEPTED)
    elif test.side == Side.AFTER:
        _raise_if_broken(test)


def _raise_if_broken(test: ConnectionTest) -> None:
    before = test.proof.now_version if test.proof else None
    if before is None or test.version is None or test.started_at is None or test.version == before:
        return
    if not CertificateVersion.objects.filter(pk=test.version.pk, status=VersionStatus.ACTIVE).exists():
        return  # rolled back while the test ran
    worked = last_accepted_with(before, test.node, test.started_at)
    if worked is None or open_alarms().filter(node=test.node_id).exists():
        return
    silent = Seen(test.verdict, test.reason).tells_nothing
    summary = f"{test.summary} {NOT_ABOUT_CERTIFICATE}" if silent else test.summary
    alarm = Alarm.objects.create(
        node=test.node, version=test.version, before=before, verdict=test.verdict, summary=summary
    )
    facts: dict[str, object] = {
        "alarm": str(alarm.pk),
        "certificate": test.version.certificate.path,
        "version": test.version.number,
        "before": before.number,
        "verdict": test.verdict,
        "reason": test.reason,
    }
    nodes.record(Actor.platform(), Action.ALARM_RAISED, test.node, facts)
    announce(alarm)


def announce(alarm: Alarm) -> None:
    """Tell the people of the node's bot of a new alarm, in the transaction that raises it."""
    node, version = alarm.node, alarm.version
    what = f"version {version.number} of {version.certificate.path} was promoted"
    post(
        event="alarm.raised",
        key=f"alarm {alarm.pk}",
        bot=node.bot,
        title=f"{node.path} fails since {what}",
        text=f"{alarm.summary}\n\nWith version {alarm.before.number} it worked. You can roll back with one click.",
        link=node.get_absolute_url(),
        data={
            "node": node.path,
            "certificate": version.certificate.path,
            "version": version.number,
            "before": alarm.before.number,
            "verdict": alarm.verdict,
        },
        urgent=True,
    )


def close_superseded(*, actor: Actor, version: CertificateVersion, **_: object) -> None:
    """Another version is presented: alarms about the ones before are past. Inside its transaction."""
    past = open_alarms().filter(version__certificate=version.certificate).exclude(version=version)
    _close(actor, past, Alarm.Closing.SWITCHED)


@transaction.atomic
def close_alarm(*, actor: Actor, alarm: Alarm, reason: str) -> None:
    """Close an alarm by hand. Raises `NotAllowed`, `InvalidInput`, `Conflict` when it is closed already."""
    authorize(actor, Permission.NODE_CHANGE, bot=alarm.node.bot)
    reason = one_line(reason, field="reason", label="The reason", max_length=MAX_REASON)
    if not _close(actor, open_alarms().filter(pk=alarm.pk), Alarm.Closing.BY_HAND, reason):
        raise Conflict("This alarm is closed already.")


@transaction.atomic
def roll_back(*, actor: Actor, alarm: Alarm) -> Rotation:
    """Present again what was before the promotion that the alarm is about; that closes it.

    Raises `NotAllowed`, `NotFound`, `Conflict`: the promotion was undone already, or nothing is there to go back to.
    """
    authorize(actor, Permission.CERTIFICATE_IMPORT, bot=alarm.version.certificate.bot)
    certificate = defaults.lock_certificate(alarm.version.certificate)
    active = certificate.active_version
    if active is None or active.pk != alarm.version_id:
        raise Conflict("Another version is active meanwhile, so there is nothing to undo. Look at the certificate.")
    if rotation.rollback_target(certificate) != alarm.before:
        text = f"Version {alarm.before.number}, which worked, cannot be presented any more. Look at the certificate."
        raise Conflict(text, code="nothing_to_roll_back_to")
    return rotation.roll_back(actor=actor, certificate=certificate)


def open_alarms() -> QuerySet[Alarm]:
    """Those that are not closed, newest first, with what a list shows."""
    rows = Alarm.objects.filter(closed_at__isnull=True)
    return rows.select_related("node__bot", "version__certificate__bot", "before")


def alarms_for(user: User, found: QuerySet[Alarm]) -> list[Alarm]:
    """The first of them that the user may see, each with `may_roll_back` for the page. Three queries at most."""
    rows = list(found.filter(node__bot__in=Bot.objects.visible_to(user).values("pk"))[:SHOWN])
    if not rows:
        return rows
    bots = set(bots_allowing(user, Permission.CERTIFICATE_IMPORT).values_list("pk", flat=True))
    platform = Permission.CERTIFICATE_IMPORT in permissions_of(user, None)
    for alarm in rows:
        owner = alarm.version.certificate.bot_id
        alarm.may_roll_back = platform if owner is None else owner in bots  # type: ignore[attr-defined]
    return rows


def _close(actor: Actor, alarms: QuerySet[Alarm], how: Alarm.Closing, reason: str = "") -> int:
    """Close these, each on record; how many."""
    closed = 0
    outcome = {"closed_at": timezone.now(), "closed_how": how, "closed_by": actor.name[:150], "reason": reason}
    for alarm in alarms:
        if Alarm.objects.filter(pk=alarm.pk, closed_at__isnull=True).update(**outcome):
            closed += 1
            facts: dict[str, object] = {"alarm": str(alarm.pk), "how": how.value}
            nodes.record(actor, Action.ALARM_CLOSED, alarm.node, facts | ({"reason": reason} if reason else {}))
    return closed
