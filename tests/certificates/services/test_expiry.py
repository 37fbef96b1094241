"""What is watched, who is told, and that nobody is told twice, whatever happens to the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from botplatform.notifications.models import Delivery, Reminder
from botplatform.notifications.reminders import Ending
from botplatform.notifications.services.reminding import remind
from certificates.issuer_models import CertificateIssuer
from certificates.models import CertificateVersion, ChainRole, VersionStatus
from certificates.services.expiry import set_responsible, watch_expiry
from servicenodes.counter_models import CallCounter, counter_id
from servicenodes.services.recording import finish
from servicenodes.services.server_certificates import watch_server_certificates
from tests.factories import (
    make_certificate,
    make_chain_certificate,
    make_node,
    make_test,
    make_trust_store,
    make_version,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
LEAP_DAY = datetime(2028, 2, 29, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _told(settings: Settings) -> None:
    settings.SECURITY_EMAIL = "security@example.com"


def version(bot: Bot | None, name: str, lifetime: float, not_after: datetime) -> CertificateVersion:
    certificate = make_certificate(bot, name)
    certificate.versions.update(not_before=not_after - lifetime * DAY, not_after=not_after)
    return certificate.versions.get()


def days_told(subject: str) -> list[float]:
    rows = Reminder.objects.filter(subject=subject).order_by("created_at", "-threshold_s")
    return [round(row.threshold / DAY, 2) for row in rows]


@pytest.mark.slow
def test_400_days_with_a_leap_day_summer_time_an_outage_and_a_clock_that_jumps(bot: Bot, settings: Settings) -> None:
    """Twice a day, in Berlin's time zone. Nothing runs from day 250 to 290; once the clock is two days ahead."""
    settings.TIME_ZONE = "Europe/Berlin"
    begin = LEAP_DAY - 300 * DAY
    watched = {
        lifetime: version(bot, f"of-{lifetime}", lifetime, LEAP_DAY + end * DAY)
        for lifetime, end in {398: 0, 200: 97, 100: 80, 47: 20, 10: -30}.items()
    }
    with time_machine.travel(begin, tick=False) as clock:
        for half_day in range(800):
            if 500 <= half_day < 580:
                continue
            jump = 2 * DAY if half_day == 593 else timedelta(0)
            clock.move_to(begin + half_day * DAY / 2 + jump)
            watch_expiry()
    assert {lifetime: days_told(f"version:{row.pk}") for lifetime, row in watched.items()} == {
        398: [60, 14, 7, 3, 1, 0],  # 30 fell into the outage, and after it 14 was due: only that came
        200: [60, 30, 14, 7, 3, 1, 0],
        100: [33.33, 16.67, 7, 3, 1, 0],
        47: [15.67, 7.83, 3, 1, 0],
        10: [0],
    }
    keys = list(Delivery.objects.values_list("key", flat=True))
    assert len(keys) == len(set(keys)) == Reminder.objects.count()


def test_a_reminder_says_what_expires_when_and_what_to_do(bot: Bot, now: datetime) -> None:
    row = version(bot, "bank", 398, now + 14 * DAY)
    set_responsible(actor=Actor.operating_system(), certificate=row.certificate, address="team@bank.example")
    assert (watch_expiry(), watch_expiry()) == (1, 0)
    told = Delivery.objects.order_by("recipient")
    assert [delivery.recipient for delivery in told] == ["security@example.com", "team@bank.example"]
    assert told[0].title.startswith("acme/bank expires on ")
    assert told[0].title.endswith(", in 14 days")
    assert "(version 1, " in told[0].text
    assert "promote" in told[0].text
    assert (told[0].link, told[0].urgent) == (row.certificate.get_absolute_url(), False)
    assert told[0].data["sha256"] == row.sha256


def test_a_staged_successor_makes_it_quiet_and_its_promotion_ends_it(bot: Bot, now: datetime) -> None:
    row = version(bot, "bank", 398, now + 13 * DAY)
    staged = make_version(row.certificate, number=2, status=VersionStatus.STAGED, not_after=now + 300 * DAY)
    assert watch_expiry() == 0
    CertificateVersion.objects.filter(pk=row.pk).update(not_after=now + DAY / 2)
    assert watch_expiry() == 1
    assert "Version 2 is staged" in Delivery.objects.get().text
    CertificateVersion.objects.filter(pk=row.pk).update(status=VersionStatus.RETIRED)
    CertificateVersion.objects.filter(pk=staged.pk).update(status=VersionStatus.ACTIVE)
    with time_machine.travel(now + 2 * DAY, tick=False):
        assert watch_expiry() == 0


def test_a_staged_version_that_ends_first_is_no_successor(bot: Bot, now: datetime) -> None:
    row = version(bot, "bank", 398, now + 13 * DAY)
    make_version(row.certificate, number=2, status=VersionStatus.STAGED, not_after=now + 12 * DAY)
    watch_expiry()
    assert "staged" not in Delivery.objects.get(key__startswith=f"version:{row.pk}").text


def test_calls_that_were_not_made_are_no_traffic(bot: Bot, now: datetime) -> None:
    row, node = version(bot, "bank", 398, now + 3 * DAY), make_node(bot)
    key = counter_id(node.pk, row.pk, "refused")
    CallCounter.objects.create(id=key, node=node, version=row, outcome="refused", calls=3, last_used_at=now)
    watch_expiry()
    assert not Delivery.objects.get().urgent


def test_a_name_as_long_as_a_certificate_likes_is_told_with_its_end(bot: Bot, now: datetime) -> None:
    """PostgreSQL refuses what is longer than its column."""
    long = ",".join(["DC=" + "x" * 60] * 6)
    row = version(bot, "bank", 398, now + 300 * DAY)
    make_chain_certificate(row, subject=long, not_after=now + 3 * DAY, role=ChainRole.ROOT)
    anchor = make_trust_store(bot, "roots", authorities=(CA.root(not_after=now + 3 * DAY),)).anchors.get()
    type(anchor).objects.update(subject=long)
    make_node(bot, trust_store=anchor.trust_store)
    assert watch_expiry() == 2
    titles = list(Reminder.objects.order_by("subject").values_list("title", flat=True))
    assert "… expires on" not in " ".join(titles)
    assert "(root of acme/bank) expires on" in titles[1]
    assert "in the trust store acme/roots expires on" in titles[0]
    assert {len(title) <= 200 for title in titles} == {True}
    assert set(titles) == set(Delivery.objects.values_list("title", flat=True))


def test_a_reminder_that_cannot_be_posted_stops_no_other(
    bot: Bot, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    good = Ending(subject="good", name="good", what="The good one", not_before=now - 400 * DAY, not_after=now + DAY)
    bad = replace(good, subject="bad", data={"no JSON": object()})
    assert remind([bad, good], now=now) == 1
    assert Reminder.objects.get().subject == "good"
    assert "The reminder" in caplog.text


def test_louder_when_it_still_carries_traffic(bot: Bot, now: datetime) -> None:
    row = version(bot, "bank", 398, now + 3 * DAY)
    node = make_node(bot)
    key = counter_id(node.pk, row.pk, "answered")
    CallCounter.objects.create(id=key, node=node, version=row, outcome="answered", calls=3, last_used_at=now)
    watch_expiry()
    told = Delivery.objects.get()
    assert told.urgent
    assert told.title.startswith("Urgent: acme/bank expires on ")
    assert "calls of 1 service node presented it" in told.text


def test_an_intermediate_is_told_of_once_for_each_owner(bot: Bot, other_bot: Bot, now: datetime) -> None:
    for owner, name in ((bot, "a"), (bot, "b"), (other_bot, "c")):
        row = version(owner, name, 398, now + 300 * DAY)
        make_chain_certificate(row, not_after=now + 10 * DAY, not_before=now - 3000 * DAY, sha256="ab" * 32)
    retired = version(bot, "old", 398, now + 300 * DAY)
    make_chain_certificate(retired, not_after=now + 10 * DAY, role=ChainRole.ROOT, sha256="cd" * 32)
    CertificateVersion.objects.filter(pk=retired.pk).update(status=VersionStatus.RETIRED)
    assert (watch_expiry(), watch_expiry()) == (2, 0)
    ours = Delivery.objects.get(bot=bot)
    assert ours.title.startswith("i (intermediate of acme/a and 1 other certificate) expires on ")
    assert ours.data["kind"] == "intermediate"


def test_anchors_of_trust_stores_in_use(bot: Bot, now: datetime) -> None:
    ends = {"not_after": now + 10 * DAY, "not_before": now - 3000 * DAY}
    used, unused, renewed = (make_trust_store(bot, authorities=(CA.root("Bank root"),)) for _ in range(3))
    for store in (used, unused, renewed):
        store.anchors.update(**ends)
    make_node(bot, trust_store=used)
    make_node(bot, trust_store=renewed)
    younger = renewed.anchors.get()
    younger.pk, younger.sha256, younger.not_after = None, "ef" * 32, now + 3000 * DAY
    younger._state.adding = True
    younger.save()
    assert (watch_expiry(), watch_expiry()) == (1, 0)
    told = Delivery.objects.get()
    assert told.title.startswith(f"Bank root in the trust store {used.path} expires on ")


def test_what_only_an_issuer_is_verified_with_is_watched(bot: Bot, now: datetime) -> None:
    store = make_trust_store(bot, authorities=(CA.root("Vault root"),))
    store.anchors.update(not_before=now - 300 * DAY, not_after=now + 20 * DAY)
    assert watch_expiry() == 0
    CertificateIssuer.objects.create(
        bot=bot, name="vault", kind="vault", url="https://vault.example", trust_store=store
    )
    assert watch_expiry() == 1
    assert "Servers of 1 issuer are verified with this trust store." in Delivery.objects.get().text


def test_who_looks_after_a_certificate_is_told_of_its_issuers(bot: Bot, other_bot: Bot, now: datetime) -> None:
    for owner, name, address in (
        (bot, "a", "a@x.example"),
        (bot, "b", "b@x.example"),
        (bot, "c", ""),
        (other_bot, "d", "d@x.example"),
    ):
        row = version(owner, name, 398, now + 300 * DAY)
        make_chain_certificate(row, sha256="ab" * 32, not_before=now - 300 * DAY, not_after=now + 20 * DAY)
        type(row.certificate).objects.filter(pk=row.certificate_id).update(responsible=address)
    assert watch_expiry() == 2
    told = {(row.bot, row.recipient) for row in Delivery.objects.exclude(recipient="security@example.com")}
    assert told == {(bot, "a@x.example"), (bot, "b@x.example"), (other_bot, "d@x.example")}


def test_the_server_certificate_that_a_test_saw(bot: Bot, now: datetime) -> None:
    seen = {"subject": "CN=api.bank.example", "sha256": "ab" * 32, "not_before": f"{now - 80 * DAY:%Y-%m-%dT%H:%M:%SZ}"}
    for slug in ("balance", "cards"):
        node = make_node(bot, slug)
        for left in (300, 5):  # the newest test counts
            chain = [{**seen, "not_after": f"{now + left * DAY:%Y-%m-%dT%H:%M:%SZ}"}]
            report = {
                "verdict": "accepted", "reason": "proven", "summary": "", "steps": [], "server": {"chain": chain},
                "client_certificate": {"certificate": None, "version": None, "sent": "no"},
            }  # fmt: skip
            finish(
                actor=Actor.platform(), test=make_test(node), report=report, version=None, basis="", as_it_is=True,
            )  # fmt: skip
    assert (watch_server_certificates(), watch_server_certificates()) == (1, 0)
    told = Delivery.objects.get()
    assert told.title.startswith("The server certificate of api.bank.example:443 expires on ")
    assert "which acme/balance and 1 other node met" in told.text


def test_the_platform_certificate_concerns_its_administrators(administrator: User, now: datetime) -> None:
    administrator.email = "root@example.com"
    administrator.save(update_fields=["email"])
    version(None, "shared", 398, now + 14 * DAY)
    assert watch_expiry() == 1
    assert set(Delivery.objects.values_list("recipient", flat=True)) == {"root@example.com", "security@example.com"}


def test_who_may_say_who_is_responsible(bot: Bot, manager: User, developer: User) -> None:
    certificate = make_certificate(bot, "bank")
    with pytest.raises(NotAllowed):
        set_responsible(actor=Actor.of(developer), certificate=certificate, address="a@b.example")
    with pytest.raises(InvalidInput):
        set_responsible(actor=Actor.of(manager), certificate=certificate, address="not an address")
    for _ in range(2):
        set_responsible(actor=Actor.of(manager), certificate=certificate, address="a@b.example")
    assert AuditEvent.objects.get().facts == {"responsible": {"from": "", "to": "a@b.example"}}


def test_many_endings_cost_few_queries(bot: Bot, now: datetime, django_assert_max_num_queries: object) -> None:
    for number in range(30):
        version(bot, f"c{number}", 398, now + 10 * DAY)
    watch_expiry()
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert watch_expiry() == 0
