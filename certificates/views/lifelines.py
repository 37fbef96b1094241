"""The versions of a certificate in time: when each is valid, and when it was the one presented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botplatform.audit.actions import Action
from botplatform.audit.models import AuditEvent
from botplatform.console import moments
from certificates.models import CertificateVersion, ClientCertificate, VersionStatus

SHOWN = 12  # the newest versions
EVENTS = 500  # the newest of one certificate
FURTHEST = timedelta(days=5 * 365)  # what never expires ends here
MOST_TICKS = 6
ROW, AXIS = 40, 22  # heights in CSS pixels
STORED = (Action.VERSION_IMPORTED, Action.VERSION_COMPLETED)  # active, or only staged
PRESENTS = (*STORED, Action.VERSION_PROMOTED, Action.VERSION_ROLLED_BACK)

Span = tuple[datetime, datetime | None]  # from, until; None: still


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of the time axis, in percent of its width."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lifeline:
    """One version: where it is valid, where it was presented, and both in words. `y` is the top of its row."""

    number: int
    status: str
    words: str
    valid: Bar
    presented: tuple[Bar, ...]
    y: int


@dataclass(frozen=True, slots=True)
class Lifelines:
    """What `components/version_timeline.html` draws. `ticks` are places with the text below them."""

    lines: tuple[Lifeline, ...]
    ticks: tuple[tuple[float, str], ...]
    today: float
    height: int


def presented_spans(certificate: ClientCertificate) -> dict[int, list[Span]]:
    """When each version was the active one, by the audit trail. One query."""
    told = AuditEvent.objects.filter(object_id=str(certificate.pk), action__in=(*PRESENTS, Action.VERSION_RETIRED))
    newest = told.order_by("-position").values_list("at", "action", "facts")[:EVENTS]
    spans: dict[int, list[Span]] = {}
    active: int | None = None
    for at, action, facts in reversed(newest):
        if action in STORED and facts.get("status") != VersionStatus.ACTIVE:
            continue
        if action == Action.VERSION_RETIRED and facts.get("version") != active:
            continue
        if active is not None:
            spans[active][-1] = (spans[active][-1][0], at)
        active = facts.get("version") if action in PRESENTS else None
        if active is not None:
            spans.setdefault(active, []).append((at, None))
    return spans


def lifelines(versions: Iterable[CertificateVersion], spans: dict[int, list[Span]], now: datetime) -> Lifelines | None:
    """The newest versions that have a certificate, newest first; None without any."""
    shown = [version for version in versions if version.leaf_der][:SHOWN]
    if not shown:
        return None
    begin = max(min(*(version.not_before for version in shown), now), now - FURTHEST)
    end = min(max(*(version.not_after for version in shown), now), now + FURTHEST)
    scale = _Scale(begin, end)
    lines = tuple(_line(version, spans.get(version.number, []), scale, now, row) for row, version in enumerate(shown))
    return Lifelines(lines, tuple(_ticks(scale)), scale.place(now), len(lines) * ROW + AXIS)


@dataclass(frozen=True, slots=True)
class _Scale:
    begin: datetime
    end: datetime

    def place(self, moment: datetime) -> float:
        """In percent, within the axis."""
        part = (moment - self.begin) / (self.end - self.begin)
        return round(100 * min(max(part, 0.0), 1.0), 2)

    def bar(self, begin: datetime, end: datetime) -> Bar:
        x = self.place(begin)
        return Bar(x, round(max(self.place(end) - x, 0.4), 2))  # never too thin to see


def _line(version: CertificateVersion, spans: Sequence[Span], scale: _Scale, now: datetime, row: int) -> Lifeline:
    return Lifeline(
        number=version.number,
        status=version.status,
        words=f"{moments.day(version.not_before)} – {moments.day(version.not_after)}",
        valid=scale.bar(version.not_before, version.not_after),
        presented=tuple(scale.bar(begin, end or now) for begin, end in spans),
        y=row * ROW,
    )


def _ticks(scale: _Scale) -> Iterator[tuple[float, str]]:
    """The beginnings of years, or of so many months that the texts do not touch."""
    months = (scale.end - scale.begin) / timedelta(days=30)
    step = next((size for size in (1, 2, 3, 6, 12) if months / size <= MOST_TICKS), 24)
    number = scale.begin.year * 12 + scale.begin.month
    last = scale.end.year * 12 + scale.end.month - 1
    for month in range(-(-number // step) * step, last + 1, step):
        start = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        yield scale.place(start), f"{start:%Y}" if step >= 12 else f"{start:%b %Y}"
