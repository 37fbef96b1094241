"""What leaves the outbox, over a real mail server and a real receiver of webhooks; also when the sender is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import ANY

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from botplatform.bots.roles import Role
from botplatform.notifications import signing
from botplatform.notifications.models import Delivery, DeliveryState
from botplatform.notifications.retrying import PAUSES
from botplatform.notifications.services.delivering import LEASE, deliver_due
from botplatform.notifications.services.outbox import post, send_again
from botplatform.notifications.services.webhooks import add_endpoint
from servicenodes.services.outbound import close
from tests.botplatform.notifications.peers import Peers, peers
from tests.certificates.services.import_until_killed import KILLED
from tests.mail_servers import STEPS

pytestmark = pytest.mark.django_db(transaction=True)
CHILD = [sys.executable, "-m", "tests.botplatform.notifications.deliver_until_killed"]


@pytest.fixture
def world(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peers]:
    with peers(settings, tmp_path, monkeypatch) as running:
        yield running
    close()


def tell(bot: Bot, key: str = "k", *, urgent: bool = False) -> None:
    with transaction.atomic():
        post(
            event="certificate.expiring", key=key, bot=bot, title="acme/bank\nexpires", text="In 3 days. Ümlaut.",
            link="/bots/acme/certificates/bank/", data={"days": 3}, also=["team@bank.example"], urgent=urgent,
        )  # fmt: skip


def states() -> list[str]:
    return sorted(Delivery.objects.values_list("state", flat=True))


def let_leases_run_out() -> None:
    Delivery.objects.filter(state=DeliveryState.SENDING).update(due_at=timezone.now())


def test_a_mail_and_a_signed_webhook(world: Peers, bot: Bot, operator: Actor, settings: Settings) -> None:
    settings.BASE_URL = "https://console.example"
    _, secret = add_endpoint(actor=operator, owner=bot, url=world.url)
    tell(bot, urgent=True)
    assert deliver_due() == 2
    assert (states(), deliver_due()) == (["sent", "sent"], 0)
    (mail,), ((head, document),) = world.mail.accepted, world.hooks.received
    page = "https://console.example/bots/acme/certificates/bank/"
    assert (mail["Subject"], mail["To"], mail["Importance"]) == ("acme/bank expires", "team@bank.example", "high")
    assert mail["Message-ID"] == f"<{Delivery.objects.get(channel='mail').pk}@console.example>"
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().split() == f"In 3 days. Ümlaut. {page}".split()
    assert document["type"] == "certificate.expiring"
    assert document["data"] | {"bot": "acme", "days": 3, "link": page, "urgent": True} == document["data"]
    expected = signing.signature(
        secret=secret,
        message_id=str(Delivery.objects.get(channel="webhook").pk),
        timestamp=int(head["webhook-timestamp"]),
        body=world.hooks.bodies[0],
    )
    assert head["webhook-signature"] == expected


def test_a_failure_is_tried_again_under_the_same_id_and_given_up_in_the_end(
    world: Peers, bot: Bot, operator: Actor
) -> None:
    add_endpoint(actor=operator, owner=bot, url=world.url)
    world.mail.refused.add("team@bank.example")
    world.hooks.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    tell(bot)
    for pause in PAUSES:
        assert deliver_due() == 0
        assert states() == ["waiting", "waiting"]
        wait = Delivery.objects.earliest("due_at").due_at - timezone.now()
        assert pause - timedelta(seconds=20) < wait <= pause
        Delivery.objects.update(due_at=timezone.now())
    assert (deliver_due(), states()) == (0, ["failed", "failed"])
    assert (deliver_due(), len(set(world.hooks.ids)), len(world.hooks.ids)) == (0, 1, len(PAUSES) + 1)
    notes = " ".join(Delivery.objects.values_list("note", flat=True))
    assert "no such mailbox" in notes
    assert "answered 503" in notes


def test_a_receiver_that_is_gone_is_not_asked_again(world: Peers, bot: Bot, operator: Actor) -> None:
    add_endpoint(actor=operator, owner=bot, url=world.url)
    world.hooks.answer = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
    tell(bot)
    deliver_due()
    assert states() == ["failed", "sent"]


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", ["sent", "answered 200"]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", ["sent", "answered 200"]),
        (b"HTTP/1.0 410 Gone\r\nServer: small\r\n\r\nNo more", ["failed", "It answered 410."]),
        (b"HTTP/1.0 500 Oh\r\n\r\n", ["waiting", "It answered 500."]),
        (b"HTTP/1.0 200 OK\r\n", ["waiting", ANY]),
    ],
)
def test_a_receiver_that_closes_behind_its_answer_has_answered(
    answer: bytes, came: list[str], world: Peers, bot: Bot, operator: Actor
) -> None:
    add_endpoint(actor=operator, owner=bot, url=world.url)
    world.hooks.answer, world.hooks.last = answer, 1
    tell(bot)
    deliver_due()
    delivery = Delivery.objects.get(channel="webhook")
    assert [delivery.state, delivery.note] == came


def test_a_webhook_into_the_internal_network_does_not_leave(
    world: Peers, bot: Bot, operator: Actor, settings: Settings
) -> None:
    add_endpoint(actor=operator, owner=bot, url=world.url)
    settings.EGRESS_ALLOW = []
    tell(bot)
    assert deliver_due() == 1
    assert world.hooks.connections == 0
    assert "address" in Delivery.objects.get(channel="webhook").note


def test_one_dead_recipient_holds_nobody_up(world: Peers, bot: Bot, operator: Actor) -> None:
    add_endpoint(actor=operator, owner=bot, url="https://127.0.0.1:1/dead")
    for number in range(5):
        tell(bot, f"k{number}")
    assert deliver_due() == 5
    assert Delivery.objects.filter(channel="webhook", attempt__gt=0).count() == 1


def leaves(user: User, bot: Bot) -> None:
    bot.memberships.filter(user=user).delete()


def is_switched_off(user: User, bot: Bot) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def gets_another_role(user: User, bot: Bot) -> None:
    bot.memberships.filter(user=user).update(role=Role.DEVELOPER)


@pytest.mark.parametrize("change", [leaves, is_switched_off, gets_another_role])
def test_who_is_gone_when_it_is_sent_is_not_told(
    world: Peers, bot: Bot, owner: User, operator: Actor, settings: Settings, change: Callable[[User, Bot], None]
) -> None:
    """The addresses that are named without a role are told as before."""
    settings.SECURITY_EMAIL = "security@example.com"
    User.objects.filter(pk=owner.pk).update(email="Owner@example.com")
    tell(bot)
    change(owner, bot)
    assert deliver_due() == 2
    assert {mail["To"] for mail in world.mail.accepted} == {"team@bank.example", "security@example.com"}
    delivery = Delivery.objects.get(recipient="Owner@example.com")
    assert (delivery.state, delivery.standing, delivery.note[:12]) == ("not told", "not told", "This address")
    send_again(actor=operator, delivery=delivery)
    assert deliver_due() == 0
    assert states() == ["not told", "sent", "sent"]


def test_who_stays_is_told_also_of_what_waited(world: Peers, bot: Bot, owner: User) -> None:
    User.objects.filter(pk=owner.pk).update(email="owner@example.com")
    tell(bot)
    User.objects.filter(pk=owner.pk).update(email="Owner@Example.com")
    assert deliver_due() == 2


def test_one_that_nobody_can_send_stops_no_other(world: Peers, bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    tell(bot, "k0")
    Delivery.objects.update(title="two\nlines")  # which no mail takes, and `post` never writes
    with transaction.atomic():
        post(event="e", key="k1", bot=bot, title="fine", text="Fine.", also=["other@bank.example"])
    assert deliver_due() == 1
    poisoned = Delivery.objects.get(key="k0")
    assert (poisoned.state, poisoned.attempt) == ("waiting", 1)
    assert poisoned.due_at > timezone.now()
    assert poisoned.note == (
        "The delivery stopped at an error of the console itself (BadHeaderError); its log has the details."
    )
    assert "Header values" in caplog.text
    Delivery.objects.update(attempt=len(PAUSES), due_at=timezone.now())
    deliver_due()
    assert Delivery.objects.get(key="k0").state == "failed"


@pytest.mark.slow
def test_killed_at_any_write_everything_arrives_once_by_its_id(
    world: Peers, bot: Bot, operator: Actor, product_environment: dict[str, str]
) -> None:
    add_endpoint(actor=operator, owner=bot, url=world.url)
    for kills, (n, moment) in enumerate(
        [(1, "before"), (1, "after"), (2, "before"), (2, "after"), (4, "before")], start=1
    ):  # the first is claimed and settled, then the second
        tell(bot, f"{n} {moment}")
        environment = {**product_environment, **world.environment}
        done = subprocess.run([*CHILD, str(n), moment], env=environment, capture_output=True, timeout=60)
        assert done.returncode == KILLED, done.stderr.decode()
        let_leases_run_out()
        deliver_due()
        _everything_arrived_once_by_its_id(world, kills)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_while_the_mail_server_listens(
    world: Peers, bot: Bot, product_environment: dict[str, str], step: str
) -> None:
    tell(bot)
    environment = {**product_environment, **world.environment}
    process = subprocess.Popen(CHILD, env=environment)

    def kill(at: str) -> None:
        if at == step:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(20)

    world.mail.at = kill
    process.wait(60)
    world.mail.at = lambda _: None
    assert process.returncode in ({0, -signal.SIGKILL} if step == "accepted" else {-signal.SIGKILL})
    deliver_due()
    if process.returncode:
        assert len(world.mail.ids) <= 1  # its lease has not run out: nobody sends it twice meanwhile
    let_leases_run_out()
    deliver_due()
    _everything_arrived_once_by_its_id(world, 1)


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.SENDING])
def test_who_was_too_slow_overwrites_nothing(world: Peers, bot: Bot, state: DeliveryState) -> None:
    """The lease ran out while the mail server pondered, and somebody else sent it meanwhile, or is about to."""
    tell(bot)

    def meanwhile(step: str) -> None:
        if step == "received":
            world.mail.at = lambda _: None
            Delivery.objects.update(state=state, attempt=7, note="of somebody else")

    world.mail.at = meanwhile
    deliver_due()
    assert Delivery.objects.get().note == "of somebody else"


def test_the_lease_outlives_what_a_peer_may_take(settings: Settings) -> None:
    assert timedelta(seconds=settings.EMAIL_TIMEOUT * 10) < LEASE  # greeting, names, sender, recipient, data, end …


def _everything_arrived_once_by_its_id(world: Peers, kills: int) -> None:
    mails = {f"<{key}@localhost>" for key in Delivery.objects.filter(channel="mail").values_list("pk", flat=True)}
    hooks = {str(key) for key in Delivery.objects.filter(channel="webhook").values_list("pk", flat=True)}
    assert set(states()) == {"sent"}
    assert (set(world.mail.ids), set(world.hooks.ids)) == (mails, hooks)
    repeated = len(world.mail.ids) - len(mails) + len(world.hooks.ids) - len(hooks)
    assert repeated <= kills  # only what a peer had accepted when the sender died
