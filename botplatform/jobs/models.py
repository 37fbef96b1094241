"""Signs of life of the workers, and when periodic work is due."""

from __future__ import annotations

from datetime import datetime

from django.db import models


class WorkerHeartbeatManager(models.Manager["WorkerHeartbeat"]):
    """Writes and clears signs of life; nobody is asked and nothing is on record, because nothing is decided."""

    def beat(self, *, name: str, concurrency: int, now: datetime) -> None:
        """The worker `name` (host and process) is alive at `now`."""
        values = {"concurrency": concurrency, "beat_at": now}
        self.update_or_create(name=name, defaults=values, create_defaults={**values, "started_at": now})

    def forget(self, *, name: str, older_than: datetime) -> None:
        """Drop the worker that ends, and those that ended without saying so."""
        self.filter(models.Q(name=name) | models.Q(beat_at__lt=older_than)).delete()


class WorkerHeartbeat(models.Model):
    """One running worker process."""

    name = models.CharField(primary_key=True, max_length=150)  # host and process
    concurrency = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    objects = WorkerHeartbeatManager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DutyManager(models.Manager["Duty"]):
    """Writes when periodic work is due; nothing is on record, because nobody decides it."""

    def claim(self, *, name: str, now: datetime, lease_until: datetime) -> bool:
        """Take the lease; False when somebody else has it, or has just done the duty."""
        self.bulk_create([Duty(name=name, due_at=now)], ignore_conflicts=True)
        free = models.Q(lease_until__isnull=True) | models.Q(lease_until__lte=now)
        return bool(self.filter(free, name=name, due_at__lte=now).update(lease_until=lease_until, begun_at=now))

    def finish(self, *, name: str, lease_until: datetime, due_at: datetime, ended_at: datetime, error: str) -> bool:
        """Give the lease back; False when it had run out and somebody else has it: their outcome counts.

        `error` is the class of what went wrong, or empty.
        """
        ours = self.filter(name=name, lease_until=lease_until)  # later than any lease before it: no other is the same
        return bool(ours.update(lease_until=None, due_at=due_at, ended_at=ended_at, error=error[:100]))


class Duty(models.Model):
    """Periodic work (`jobs.duties`): when it is due, and how it ended last. Times are aware UTC."""

    name = models.CharField(primary_key=True, max_length=60)
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=100, blank=True)  # empty: it ended well

    objects = DutyManager()

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be begun at `now`: its time has come, and nobody is at it."""
        return self.due_at <= now and (self.lease_until is None or self.lease_until <= now)
