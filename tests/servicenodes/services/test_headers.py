"""Headers that carry credentials: sealed, kept, replaced, never shown, and bound to their row."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput
from certificates.errors import EnvelopeBroken
from servicenodes.models import SealedHeader, ServiceNode
from servicenodes.services.headers import open_sealed, sealed_names
from servicenodes.services.nodes import change_node, create_node

pytestmark = pytest.mark.django_db
URL = "https://api.bank.example/pay"


def values(actor: Actor, node: ServiceNode) -> dict[str, str]:
    return {name: value.reveal().decode() for name, value in open_sealed(actor=actor, node=node)}


def change(actor: Actor, node: ServiceNode, **changes: Any) -> ServiceNode:
    return change_node(actor=actor, node=node, expected_revision=node.revision, **changes)


@pytest.fixture
def node(bot: Bot, operator: Actor) -> ServiceNode:
    return create_node(
        actor=operator,
        bot=bot,
        name="Pay",
        url=URL,
        headers={"Authorization": "Bearer canary-1", "Accept": "text/plain", "X-Token": "{{token}}"},
        sealed_headers={"X-Customer": "canary-2"},
    )


def test_credentials_are_sealed_and_nowhere_else(node: ServiceNode, operator: Actor) -> None:
    assert node.headers == {"Accept": "text/plain", "X-Token": "{{token}}"}
    assert sealed_names(node) == ["Authorization", "X-Customer"]
    assert values(operator, node) == {"Authorization": "Bearer canary-1", "X-Customer": "canary-2"}
    event = AuditEvent.objects.order_by("position").last()
    assert event is not None
    assert (event.action, event.facts["headers"]) == ("headers.opened", ["Authorization", "X-Customer"])
    rows = [
        *AuditEvent.objects.values_list("facts"),
        *ServiceNode.objects.values_list(),
        *SealedHeader.objects.values(),
    ]
    assert "canary" not in str(rows)
    assert b"canary" not in b"".join(bytes(row.envelope) for row in SealedHeader.objects.all())


def test_a_header_keeps_its_value_until_it_gets_another(node: ServiceNode, operator: Actor) -> None:
    node = change(operator, node, name="Pay now", headers={})
    assert values(operator, node) == {"Authorization": "Bearer canary-1", "X-Customer": "canary-2"}
    before = node.revision
    assert change(operator, node, sealed_headers={"authorization": None, "X-Customer": None}).revision == before
    node = change(operator, node, sealed_headers={"authorization": None, "X-Customer": "canary-3"})
    assert values(operator, node) == {"Authorization": "Bearer canary-1", "X-Customer": "canary-3"}
    assert node.revision == before + 1
    node = change(operator, node, headers={"AUTHORIZATION": "canary-4"})
    assert values(operator, node) == {"AUTHORIZATION": "canary-4", "X-Customer": "canary-3"}
    node = change(operator, node, sealed_headers={"X-Customer": None})
    assert values(operator, node) == {"X-Customer": "canary-3"}
    node = change(operator, node, headers={"X-Customer": "plain now"}, sealed_headers={})
    assert (values(operator, node), node.headers) == ({}, {"X-Customer": "plain now"})
    events = AuditEvent.objects.filter(action="node.changed").values_list("facts", flat=True)
    assert "canary" not in str(list(events))


@pytest.mark.parametrize("kept", [{}, {"sealed_headers": {"Authorization": None, "X-Customer": "new"}}])
@pytest.mark.parametrize("url", ["https://evil.example/pay", "https://bank.example:8443/pay"])
def test_a_secret_value_does_not_follow_to_another_host(
    node: ServiceNode, operator: Actor, url: str, kept: dict[str, Any]
) -> None:
    """Who may change the node but does not know the value could otherwise have it sent to a host of theirs."""
    with pytest.raises(InvalidInput, match="Give their values again") as refused:
        change(operator, node, url=url, **kept)
    assert refused.value.field == "sealed_headers"
    node.refresh_from_db()
    assert node.url == URL
    node = change(operator, node, url=URL + "?other=path")
    assert values(operator, node) == {"Authorization": "Bearer canary-1", "X-Customer": "canary-2"}
    node = change(operator, node, url=url, sealed_headers={"Authorization": "given again"})
    assert values(operator, node) == {"Authorization": "given again"}


@pytest.mark.parametrize(
    ("headers", "sealed", "field"),
    [
        ({}, {"X-A": None}, "sealed_headers"),
        ({}, {"X-A": ""}, "sealed_headers"),
        ({}, {"X-A": "a{{b}}"}, "sealed_headers"),
        ({}, {"X-A": "a\nb"}, "sealed_headers"),
        ({}, {"Host": "a"}, "sealed_headers"),
        ({}, {"X-A": "v" * 4001}, "sealed_headers"),
        ({"X-A": "1"}, {"x-a": "2"}, "headers"),
        ({}, {f"X-{n}": "v" for n in range(51)}, "headers"),
        ({"Authorization": "Bearer s3cret{{x}}"}, None, "headers"),
        ({"X-A": "{{1}}"}, None, "headers"),
    ],
)
def test_what_is_refused(bot: Bot, operator: Actor, headers: Any, sealed: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_node(actor=operator, bot=bot, name="Pay", url=URL, headers=headers, sealed_headers=sealed)
    assert refused.value.field in {field, None} if field == "headers" else refused.value.field == field
    assert "s3cret" not in refused.value.text


def test_an_envelope_opens_only_in_its_row(node: ServiceNode, bot: Bot, operator: Actor) -> None:
    other = create_node(actor=operator, bot=bot, name="Other", url=URL)
    row = SealedHeader.objects.get(name="Authorization")
    for moved in ({"node": other}, {"name": "X-Shown"}, {"id": uuid.uuid4()}):
        fields = {"node": row.node, "name": row.name, "envelope": row.envelope, "key_id": row.key_id, "id": row.pk}
        SealedHeader.objects.filter(node=row.node).delete()
        placed = SealedHeader.objects.create(**{**fields, **moved})
        with pytest.raises(EnvelopeBroken):
            open_sealed(actor=operator, node=placed.node)
        placed.delete()


def test_bodies_are_judged_when_they_are_saved(bot: Bot, operator: Actor) -> None:
    for body in ('{"a": {{a}', '{"a": {{a}}', "<a>{{b</a>"):
        with pytest.raises(InvalidInput) as refused:
            create_node(actor=operator, bot=bot, name="Pay", url=URL, method="POST", body=body)
        assert refused.value.field == "body"
    for url in ("https://api.{{bank}}.example/", "https://api.bank.example:{{port}}/", "https://a.example/{{1}}"):
        with pytest.raises(InvalidInput) as refused:
            create_node(actor=operator, bot=bot, name="Pay", url=url)
        assert refused.value.field == "url"
    node = create_node(actor=operator, bot=bot, name="Pay", url=URL, body='{"secret-ish": {{amount}}}')
    event = AuditEvent.objects.filter(action="node.created").last()
    assert event is not None
    assert node.body
    assert "secret-ish" not in str(event.facts)
