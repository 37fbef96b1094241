"""Try a call: the page with and without a script, an answer that is never HTML, and secret headers in forms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.actions import Action
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from servicenodes import counters
from servicenodes.models import ServiceNode
from servicenodes.services.headers import open_sealed
from servicenodes.services.limits import CALLS_PER_USER, WINDOW
from servicenodes.services.nodes import record
from tests.factories import make_certificate, make_node, make_trust_store
from tests.servicenodes.services.calls import Bank

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
CALL = "/bots/acme/nodes/pay/call/"
NODE = "/bots/acme/nodes/pay/"


@pytest.fixture
def node(bot: Bot, bank: Bank) -> ServiceNode:
    return make_node(
        bot,
        "pay",
        method="POST",
        url=bank.peer.url + "{{kind}}",
        body='{"amount": {{amount}}, "to": "{{to}}"}',
        certificate=make_certificate(bot, "bank", issued=bank.authority.issue("one.example")),
        trust_store=make_trust_store(bot, "roots", authorities=(bank.server_authority,)),
        timeout_s=5,
    )


def test_a_call_and_its_answer(node: ServiceNode, developer: User, viewer: User, sign_in: SignIn) -> None:
    client = sign_in(developer)
    page = client.get(CALL).content.decode()
    assert all(f'name="var_{name}"' in page for name in ("kind", "amount", "to"))
    assert page.count('class="optional"') == 2  # payload and content type; a variable is never left out
    assert 'It presents <a href="/bots/acme/certificates/bank/">acme/bank</a>.</p>' in page
    assert "attached to this service node" not in page  # said once
    answer = client.post(CALL, {"var_kind": "x", "var_amount": "12.50", "var_to": '<b>"'})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "HTTP 200" in page
    assert "acme/bank, version 1" in page
    assert "&quot;amount\\&quot;: 12.5," in page
    assert "<b>" not in page
    assert "set-cookie" not in page.lower()
    assert "no-store" in answer["Cache-Control"]
    events = AuditEvent.objects.order_by("position")
    assert [event.action for event in events] == ["call.requested", "key.opened", "call.ended"]
    assert events[0].facts == {"variables": ["amount", "kind", "to"]}
    assert events[2].facts == {"status": 200, "certificate": "acme/bank", "version": 1}
    counters.flush()
    shown = sign_in(viewer).get(NODE).content.decode()
    assert "Last used" in shown
    assert "<dt>Answered</dt><dd>1</dd>" in shown
    assert "Try a call" not in shown
    assert sign_in(viewer).get(CALL).status_code == 403


def test_a_person_may_try_so_many_calls_a_minute(
    node: ServiceNode, developer: User, owner: User, sign_in: SignIn
) -> None:
    for _ in range(CALLS_PER_USER):
        record(Actor.of(developer), Action.CALL_REQUESTED, node, {})
    values = {"var_amount": "1", "var_to": "x", "var_kind": "x"}
    refused = sign_in(developer).post(CALL, values)
    assert refused.status_code == 422
    assert "You have tried 30 calls within a minute. Try again in " in refused.content.decode()
    assert AuditEvent.objects.count() == CALLS_PER_USER
    assert "HTTP 200" in sign_in(owner).post(CALL, values).content.decode()
    with time_machine.travel(timezone.now() + WINDOW):
        assert "HTTP 200" in sign_in(developer).post(CALL, values).content.decode()


def test_an_answer_is_never_html(node: ServiceNode, developer: User, sign_in: SignIn) -> None:
    values = {"var_amount": "1", "var_to": "x"}
    page = sign_in(developer).post(CALL, {**values, "var_kind": "html"}).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    page = sign_in(developer).post(CALL, {**values, "var_kind": "binary"}).content.decode()
    assert "1024 bytes that are no text" in page
    assert "0010  10 11 12" in page


def test_a_payload_goes_in_place_of_the_body(node: ServiceNode, developer: User, sign_in: SignIn) -> None:
    sent = {"var_kind": "x", "payload": "a=1", "content_type": "application/x-www-form-urlencoded"}
    page = sign_in(developer).post(CALL, sent).content.decode()
    assert "HTTP 200" in page
    assert "&quot;body&quot;: &quot;a=1&quot;" in page


def test_what_goes_wrong_is_told_in_its_place(node: ServiceNode, developer: User, sign_in: SignIn, bank: Bank) -> None:
    client = sign_in(developer)
    answer = client.post(CALL, {"var_kind": "..", "var_amount": "1", "var_to": ""})
    assert answer.status_code == 422
    assert "id_var_kind_error" in answer.content.decode()
    ClientCertificate.objects.update(allowed_hosts=["api.bank.example"])
    page = client.post(CALL, {"var_kind": "x", "var_amount": "1", "var_to": ""}).content.decode()
    assert "Not made" in page
    assert "allowed hosts" in page
    ClientCertificate.objects.update(allowed_hosts=[])
    ServiceNode.objects.update(trust_store=None, revision=9)
    page = client.post(CALL, {"var_kind": "x", "var_amount": "1", "var_to": ""}).content.decode()
    assert "Server untrusted" in page
    ended = AuditEvent.objects.filter(action="call.ended").order_by("position")
    assert ["verdict" in event.facts for event in ended] == [False, False, True]


FIELDS = {
    "name": "Pay",
    "slug": "pay",
    "method": "POST",
    "url": "https://api.bank.example/",
    "min_tls": "1.2",
    "timeout_s": "5",
    "require_mutual_tls": "on",
}


def opened(node: ServiceNode, actor: Actor) -> dict[str, str]:
    return {name: value.reveal().decode() for name, value in open_sealed(actor=actor, node=node)}


def test_secret_headers_are_set_kept_and_never_shown(
    bot: Bot, developer: User, sign_in: SignIn, operator: Actor
) -> None:
    client = sign_in(developer)
    sent = {
        **FIELDS,
        "headers": "Authorization: Bearer canary-1\nAccept: text/plain",
        "sealed_headers": "X-A: canary-2",
    }
    page = client.post("/bots/acme/nodes/new/", sent, follow=True)
    node = ServiceNode.objects.get()
    assert opened(node, operator) == {"Authorization": "Bearer canary-1", "X-A": "canary-2"}
    assert "<code>Authorization</code> set" in page.content.decode()
    edit = client.get(NODE + "edit/").content.decode()
    assert "Authorization:\nX-A:" in edit
    assert "canary" not in page.content.decode() + edit

    kept = {**FIELDS, "headers": "Accept: text/plain", "sealed_headers": "Authorization:\nX-A:", "revision": "1"}
    assert client.post(NODE + "edit/", {**kept, "name": "Pay now"}).status_code == 302
    assert opened(node, operator) == {"Authorization": "Bearer canary-1", "X-A": "canary-2"}
    changed = {**kept, "sealed_headers": "Authorization: canary-3", "revision": "2"}
    assert client.post(NODE + "edit/", changed).status_code == 302
    assert opened(node, operator) == {"Authorization": "canary-3"}


def test_a_form_that_comes_back_holds_no_secret(bot: Bot, developer: User, sign_in: SignIn) -> None:
    sent = {**FIELDS, "url": "http://x", "headers": "Cookie: canary-1\nX-B: b", "sealed_headers": "X-A: canary-2"}
    answer = sign_in(developer).post("/bots/acme/nodes/new/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "canary" not in page
    assert "Cookie:\nX-B: b" in page
