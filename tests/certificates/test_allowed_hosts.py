"""Allowed hosts: written in one form, on record, held to by calls and tests, changed by whoever may import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.test import Client

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.models import ClientCertificate
from certificates.services.allowed_hosts import set_allowed_hosts
from servicenodes.counter_models import CallCounter, counter_id
from servicenodes.services import probing
from servicenodes.services.requests import ProbeOptions
from tests.factories import make_certificate, make_node

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def certificate(bot: Bot) -> ClientCertificate:
    return make_certificate(bot, "bank")


def test_hosts_have_one_form_and_changes_are_on_record(certificate: ClientCertificate, operator: Actor) -> None:
    given = ["API.Bank.Example.", "api.bank.example", "münchen.example", "[2001:DB8::1]", "192.0.2.7"]
    changed = set_allowed_hosts(actor=operator, certificate=certificate, hosts=given)
    expected = ["192.0.2.7", "2001:db8::1", "api.bank.example", "xn--mnchen-3ya.example"]
    assert changed.allowed_hosts == expected == ClientCertificate.objects.get().allowed_hosts
    set_allowed_hosts(actor=operator, certificate=certificate, hosts=reversed(given))
    event = AuditEvent.objects.get()
    assert (event.action, event.facts) == ("certificate.changed", {"allowed_hosts": {"from": [], "to": expected}})
    assert changed.may_go_to("api.bank.example")
    assert not changed.may_go_to("api.bank.example", "other.example")
    assert set_allowed_hosts(actor=operator, certificate=certificate, hosts=[]).may_go_to("anywhere.example")


@pytest.mark.parametrize(
    "host", ["*.bank.example", "https://a.example", "a.example:443", "a/b", "-a", "", "a..b", "x" * 64]
)
def test_what_is_no_host(certificate: ClientCertificate, operator: Actor, host: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        set_allowed_hosts(actor=operator, certificate=certificate, hosts=[host])
    assert refused.value.field == "allowed_hosts"


def test_who_may_change_them(certificate: ClientCertificate, developer: User, manager: User) -> None:
    with pytest.raises(NotAllowed):
        set_allowed_hosts(actor=Actor.of(developer), certificate=certificate, hosts=[])
    set_allowed_hosts(actor=Actor.of(manager), certificate=certificate, hosts=["a.example"])


def test_a_connection_test_holds_to_them(certificate: ClientCertificate, bot: Bot, operator: Actor) -> None:
    ClientCertificate.objects.update(allowed_hosts=["api.bank.example"])
    node = make_node(bot, url="https://other.example/", certificate=certificate)
    report = probing.test_now(actor=operator, node=node).report or {}
    assert report["verdict"] == "certificate_unusable"
    assert "other.example" in report["summary"]
    options = ProbeOptions(certificate=ClientCertificate.objects.get(), server_name="foreign.example")
    report = probing.probe_url(actor=operator, url="https://api.bank.example/", options=options)
    assert report["verdict"] == "certificate_unusable"
    assert "key.opened" not in AuditEvent.objects.values_list("action", flat=True)


def test_the_page(certificate: ClientCertificate, manager: User, viewer: User, sign_in: SignIn) -> None:
    page = "/bots/acme/certificates/bank/"
    client = sign_in(manager)
    assert client.get(f"{page}hosts/").status_code == 200
    for typed, told in (
        ("https://x", "is not a host name"),
        ("a.example b.example", "“a.example b.example” is not a host"),
    ):
        answer = client.post(f"{page}hosts/", {"allowed_hosts": typed})
        assert (answer.status_code, told in answer.content.decode()) == (422, True)
    shown = client.post(f"{page}hosts/", {"allowed_hosts": "b.example\r\na.example\r\n"}, follow=True).content.decode()
    assert shown.index("a.example</li>") < shown.index("b.example</li>")
    assert client.post(f"{page}hosts/", {"allowed_hosts": ""}).status_code == 302
    assert ClientCertificate.objects.get().allowed_hosts == []
    assert sign_in(viewer).get(f"{page}hosts/").status_code == 403


def test_traffic_stands_beside_the_expiry(
    bot: Bot, other_bot: Bot, viewer: User, sign_in: SignIn, administrator: User, now: datetime
) -> None:
    certificate = make_certificate(None, "hosted")
    version = certificate.active_version
    assert version is not None
    for owner, calls in ((bot, 3), (other_bot, 4)):
        node = make_node(owner)
        for outcome in ("answered", "refused"):
            key = counter_id(node.pk, version.pk, outcome)
            row = CallCounter(pk=key, node=node, version=version, outcome=outcome, calls=calls, last_used_at=now)
            CallCounter.objects.add_up([row])
    page = "/platform/certificates/hosted/"
    assert "7 calls" in sign_in(administrator).get(page).content.decode()
    assert "3 calls" in sign_in(viewer).get(page).content.decode()
