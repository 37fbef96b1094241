"""Webhooks to a receiver whose certificate is of a company's own CA."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from botplatform.notifications.models import Delivery, WebhookEndpoint
from botplatform.notifications.services.delivering import deliver_due
from botplatform.notifications.services.webhooks import add_endpoint, remove_endpoint, send_test
from certificates.endings import of_anchors, watched_anchors
from certificates.issuer_models import CertificateIssuer
from certificates.models import TrustStore, WebhookTrust
from certificates.services.trust_stores import delete_trust_store
from certificates.services.webhook_trust import choose_trust
from servicenodes.services.outbound import close
from tests.factories import make_trust_store
from tests.pki import CA
from tests.servers import Peer, python_server
from tests.servicenodes.tls.calls import Backend
from tests.servicenodes.tls.world import world

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Peer]:
    """A receiver with a certificate of a CA that the system does not know."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1/128"]
    with python_server(world().server, behaviour=Backend()) as peer:
        yield peer
    close()


@pytest.fixture
def endpoint(bot: Bot, operator: Actor, receiver: Peer) -> WebhookEndpoint:
    return add_endpoint(actor=operator, owner=bot, url=f"{receiver.url}hook")[0]


@pytest.fixture
def store(bot: Bot) -> TrustStore:
    return make_trust_store(bot, "own", authorities=(world().server_root,))


def sent(endpoint: WebhookEndpoint, operator: Actor) -> tuple[str, str]:
    """What became of a test of it."""
    key = send_test(actor=operator, endpoint=endpoint).pk
    deliver_due()
    delivery = Delivery.objects.get(pk=key)
    return delivery.state, delivery.note


def test_a_receiver_of_the_companys_own_ca_is_reached(
    endpoint: WebhookEndpoint, store: TrustStore, operator: Actor
) -> None:
    assert sent(endpoint, operator)[0] == "waiting", "the system does not know its CA"
    choose_trust(actor=operator, endpoint=endpoint, trust_store=store)
    assert sent(endpoint, operator) == ("sent", "answered 200")
    other = make_trust_store(None, "others", authorities=(CA.root("Somebody else"),))
    choose_trust(actor=operator, endpoint=endpoint, trust_store=other)
    assert sent(endpoint, operator)[0] == "waiting"
    events = AuditEvent.objects.filter(action="webhook.changed").order_by("position")
    assert [event.facts["trust_store"] for event in events] == ["acme/own", "platform/others"]


def test_an_empty_trust_store_trusts_nobody(endpoint: WebhookEndpoint, bot: Bot, operator: Actor) -> None:
    choose_trust(actor=operator, endpoint=endpoint, trust_store=make_trust_store(bot, "empty"))
    state, note = sent(endpoint, operator)
    assert state == "waiting"
    assert note == "The trust store “acme/empty” is empty, so no server can be trusted with it."


def test_who_may_choose_what(
    endpoint: WebhookEndpoint, store: TrustStore, other_bot: Bot, operator: Actor, manager: User
) -> None:
    with pytest.raises(NotAllowed):
        choose_trust(actor=Actor.of(manager), endpoint=endpoint, trust_store=store)
    foreign = make_trust_store(other_bot, "theirs")
    with pytest.raises(InvalidInput, match="another bot"):
        choose_trust(actor=operator, endpoint=endpoint, trust_store=foreign)
    choose_trust(actor=operator, endpoint=endpoint, trust_store=store)
    choose_trust(actor=operator, endpoint=endpoint, trust_store=store)
    assert AuditEvent.objects.filter(action="webhook.changed").count() == 1, "the same again changes nothing"
    with pytest.raises(Conflict, match="in use by “acme: webhook to localhost"):
        delete_trust_store(actor=operator, trust_store=store)
    choose_trust(actor=operator, endpoint=endpoint, trust_store=None)
    delete_trust_store(actor=operator, trust_store=store)


def test_a_removed_webhook_takes_its_choice_along(
    endpoint: WebhookEndpoint, store: TrustStore, operator: Actor
) -> None:
    choose_trust(actor=operator, endpoint=endpoint, trust_store=store)
    remove_endpoint(actor=operator, endpoint=endpoint)
    assert not WebhookTrust.objects.exists()
    with pytest.raises(NotFound):
        choose_trust(actor=operator, endpoint=endpoint, trust_store=store)


def test_it_is_chosen_on_a_page(
    endpoint: WebhookEndpoint, store: TrustStore, owner: User, manager: User, other_bot: Bot, sign_in: SignIn
) -> None:
    make_trust_store(other_bot, "theirs")
    client, path = sign_in(owner), f"/bots/acme/notifications/webhooks/{endpoint.pk}/trust/"
    page = client.get("/bots/acme/notifications/").content.decode()
    assert path in page
    assert "proven by" not in page
    form = client.get(path).content.decode()
    assert ("acme/own" in form, "globex/theirs" in form) == (True, False)
    answer = client.post(path, {"trust_store": str(store.pk)}, follow=True)
    assert answer.redirect_chain == [("/bots/acme/notifications/", 302)]
    assert "proven by acme/own" in answer.content.decode()
    assert f'value="{store.pk}" selected' in client.get(path).content.decode()
    client.post(path, {"trust_store": ""})
    assert not WebhookTrust.objects.exists()
    assert sign_in(manager).get(path).status_code == 403
    assert client.get(f"/bots/globex/notifications/webhooks/{endpoint.pk}/trust/").status_code == 404


def test_the_page_of_a_trust_store_names_what_else_uses_it(
    endpoint: WebhookEndpoint, bot: Bot, operator: Actor, manager: User, stranger: User, sign_in: SignIn
) -> None:
    shared = make_trust_store(None, "shared")
    choose_trust(actor=operator, endpoint=endpoint, trust_store=shared)
    CertificateIssuer.objects.create(bot=bot, name="ca", kind="vault", url="https://x.example", trust_store=shared)
    page = sign_in(manager).get(shared.get_absolute_url()).content.decode()
    assert "<li>acme/ca</li><li>acme: webhook to localhost" in page
    page = sign_in(stranger).get(shared.get_absolute_url()).content.decode()
    assert "2 issuers or webhooks of bots you may not open" in page
    assert "acme" not in page.partition("Where it is used")[2]


def test_the_platforms_webhooks_are_named_to_those_who_oversee_it(
    bot: Bot, operator: Actor, viewer: User, administrator: User, sign_in: SignIn
) -> None:
    shared = make_trust_store(None, "shared", authorities=(CA.root("Company"),))
    endpoint, _ = add_endpoint(actor=operator, owner=None, url="https://siem.example/hook")
    assert watched_anchors().count() == 0
    choose_trust(actor=operator, endpoint=endpoint, trust_store=shared)
    (ending,) = of_anchors(watched_anchors())  # reminders of the CA's own end would stop with it
    assert "Servers of 1 webhook are verified with this trust store." in ending.in_use
    assert "siem.example" in sign_in(administrator).get(shared.get_absolute_url()).content.decode()
    assert "siem.example" not in sign_in(viewer).get(shared.get_absolute_url()).content.decode()
    with pytest.raises(Conflict, match=r"in use by “platform: webhook to siem\.example”"):
        delete_trust_store(actor=Actor.of(administrator), trust_store=shared)
