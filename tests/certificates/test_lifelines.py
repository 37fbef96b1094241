"""The versions in time: what the audit trail says of each, and where it is drawn."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.template.loader import render_to_string

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from certificates.services.importing import import_certificate
from certificates.services.rotation import promote, retire, roll_back
from certificates.templatetags.certificate_kit import version_timeline
from certificates.views.lifelines import lifelines, presented_spans
from tests.factories import make_certificate, make_version, upload
from tests.pki import CA

pytestmark = pytest.mark.django_db


def test_when_each_version_was_presented(
    operator: Actor, bot: Bot, clock: time_machine.Traveller, now: datetime
) -> None:
    def add(*, stage: bool) -> ClientCertificate:
        files = upload(CA.root().issue("bot.example"))
        done = import_certificate(actor=operator, owner=bot, name="bank", files=files, passphrase=None, stage=stage)
        assert done.certificate
        return done.certificate

    certificate = add(stage=False)
    days = [now + timedelta(days=number) for number in range(5)]
    clock.move_to(days[1])
    add(stage=True)
    clock.move_to(days[2])
    promote(actor=operator, certificate=certificate)
    clock.move_to(days[3])
    roll_back(actor=operator, certificate=certificate)
    clock.move_to(days[4])
    assert presented_spans(certificate) == {1: [(days[0], days[2]), (days[3], None)], 2: [(days[2], days[3])]}
    retire(actor=operator, certificate=certificate, number=1, force=True)
    assert presented_spans(certificate)[1][-1] == (days[3], days[4])


def test_where_it_is_drawn(bot: Bot, now: datetime) -> None:
    certificate = make_certificate(bot, "bank")
    old = make_version(
        certificate, number=2, status="retired", leaf_der=b"x", not_before=now - timedelta(100), not_after=now
    )
    forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    new = make_version(certificate, number=3, status="staged", leaf_der=b"x", not_before=now, not_after=forever)
    drawn = lifelines([new, old], {2: [(now - timedelta(50), now - timedelta(25))]}, now)
    assert drawn is not None
    first, second = drawn.lines
    assert (first.number, first.y, second.y) == (3, 0, 40)
    assert first.valid.x == second.valid.width == drawn.today
    assert first.valid.x + first.valid.width == pytest.approx(100)
    (bar,) = second.presented
    assert bar.x == pytest.approx(drawn.today / 2, abs=0.1)
    assert bar.width == pytest.approx(drawn.today / 4, abs=0.4)
    assert 1 <= len(drawn.ticks) <= 7
    drawing = render_to_string("components/version_timeline.html", version_timeline(drawn))
    marks = [float(top) for top in re.findall(r'<line class="today" x1="[\d.]+%" x2="[\d.]+%" y1="(\d+)"', drawing)]
    words = [float(base) for base in re.findall(r'<text x="0" y="(\d+)">Version', drawing)]
    assert len(marks) == len(words) == 2, "one of each in the row of a version"
    assert min(marks) > max(words), "today is marked below the words, for it may lie anywhere"
    draft = make_version(certificate, number=4, status="draft", leaf_der=b"")
    assert lifelines([draft], {}, now) is None
