"""Signs of life of the workers."""

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
