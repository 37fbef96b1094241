"""Creating, changing and deleting service nodes."""

from __future__ import annotations

from typing import Any

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from servicenodes.models import ServiceNode
from servicenodes.services.nodes import change_node, create_node, delete_node
from tests.factories import make_certificate, make_node, make_test, make_trust_store

pytestmark = pytest.mark.django_db
URL = "https://api.bank.example/balance"


def create(actor: Actor, bot: Bot, **values: Any) -> ServiceNode:
    return create_node(actor=actor, bot=bot, **{"name": "Get balance", "url": URL, **values})


def test_a_node_is_made_with_defaults_and_on_record(operator: Actor, bot: Bot) -> None:
    node = create(operator, bot, headers={"X-Api-Key": "s3cret-value"})

    stored = ServiceNode.objects.get()
    assert (stored.path, stored.method, stored.min_tls, stored.timeout_s) == ("acme/get-balance", "GET", "1.2", 10)
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == ("node.created", str(node.pk))
    assert (event.facts["headers"], event.facts["sealed_headers"]) == ([], ["X-Api-Key"])
    assert "s3cret-value" not in str(event.facts)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Get_balance", "get-balance"), ("Übersicht", "ubersicht"), ("支付", "node"), ("x" * 200, "x" * 58)],
)
def test_a_slug_is_made_from_the_name(operator: Actor, bot: Bot, name: str, slug: str) -> None:
    assert create(operator, bot, name=name).slug == slug
    assert create(operator, bot, name=name).slug == f"{slug}-2"


def test_no_node_hides_behind_the_page_of_the_form(operator: Actor, bot: Bot) -> None:
    assert create(operator, bot, name="New").slug == "new-2"
    with pytest.raises(InvalidInput, match="page of the console"):
        create(operator, bot, slug="new")


def test_a_slug_that_was_asked_for_must_be_free(operator: Actor, bot: Bot, other_bot: Bot) -> None:
    create(operator, bot, slug="pay")
    create(operator, other_bot, slug="pay")
    with pytest.raises(Conflict, match="already has a service node “pay”"):
        create(operator, bot, slug="pay")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 201),
        ("slug", "Not a slug"),
        ("method", "TRACE"),
        ("url", ""),
        ("url", "http://api.bank.example/"),
        ("url", "https://user:pass@api.bank.example/"),
        ("url", "https://api.bank.example/\r\nHost: evil"),
        ("url", "https:///path"),
        ("min_tls", "1.0"),
        ("timeout_s", 0),
        ("timeout_s", 61),
        ("server_name", "not a name"),
        ("headers", {"Host": "evil.example"}),
        ("headers", {"content-length": "0"}),
        ("headers", {"Transfer-Encoding": "chunked"}),
        ("headers", {"Proxy-Authorization": "x"}),
        ("headers", {"Upgrade": "h2c"}),
        ("headers", {"X-A": "1\r\nX-B: 2"}),
        ("headers", {"X A": "1"}),
        ("headers", {"X-A": "ä"}),
        ("headers", {"X-A": "1", "x-a": "2"}),
        ("headers", {"X-A": "v" * 4001}),
        ("headers", {f"X-{n}": "v" for n in range(51)}),
    ],
)
def test_what_is_not_acceptable_is_refused_with_its_field(operator: Actor, bot: Bot, field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        create(operator, bot, **{field: value})
    assert refused.value.field == field
    assert not ServiceNode.objects.exists()
    assert not AuditEvent.objects.exists()


def test_the_scheme_is_stored_in_lower_case(operator: Actor, bot: Bot) -> None:
    assert create(operator, bot, url="HTTPS://API.bank.example/A").url == "https://API.bank.example/A"


def test_a_foreign_certificate_or_trust_store_is_refused(operator: Actor, bot: Bot, other_bot: Bot) -> None:
    for field, make in (("certificate", make_certificate), ("trust_store", make_trust_store)):
        with pytest.raises(InvalidInput) as refused:
            create(operator, bot, **{field: make(other_bot)})
        assert refused.value.field == field
        create(operator, bot, **{field: make(bot)})
        create(operator, bot, **{field: make(None)})


def test_a_change_is_on_record_with_before_and_after(operator: Actor, bot: Bot) -> None:
    node = make_node(bot, "pay", headers={"X-Row": "old-value"})
    changed = change_node(
        actor=operator, node=node, expected_revision=1, method="POST", headers={"X-Row": "new-value"}, name=node.name
    )

    assert changed.revision == 2
    event = AuditEvent.objects.get()
    assert event.facts == {
        "method": {"from": "GET", "to": "POST"},
        "headers": {"from": ["X-Row"], "to": ["X-Row"]},
    }
    assert ServiceNode.objects.get().headers == {"X-Row": "new-value"}


def test_a_change_to_the_same_changes_nothing(operator: Actor, bot: Bot) -> None:
    node = make_node(bot)
    assert change_node(actor=operator, node=node, expected_revision=1, name=node.name, url=node.url).revision == 1
    assert not AuditEvent.objects.exists()


def test_a_stale_change_is_a_conflict(operator: Actor, bot: Bot) -> None:
    node = make_node(bot)
    change_node(actor=operator, node=node, expected_revision=1, name="first")
    with pytest.raises(Conflict, match="meanwhile"):
        change_node(actor=operator, node=node, expected_revision=1, name="second")
    assert ServiceNode.objects.get().name == "first"


def test_a_taken_slug_and_an_unknown_field(operator: Actor, bot: Bot) -> None:
    make_node(bot, "pay")
    node = make_node(bot, "balance")
    with pytest.raises(Conflict):
        change_node(actor=operator, node=node, expected_revision=1, slug="pay")
    with pytest.raises(TypeError):
        change_node(actor=operator, node=node, expected_revision=1, bot=bot)


def test_a_node_is_deleted_with_its_tests(operator: Actor, bot: Bot) -> None:
    node = make_node(bot, "pay")
    make_test(node)
    delete_node(actor=operator, node=node)
    assert not ServiceNode.objects.exists()
    assert AuditEvent.objects.get().object_name == "acme/pay"
    with pytest.raises(NotFound):
        delete_node(actor=operator, node=node)


def test_who_may_change_nodes(bot: Bot, developer: User, viewer: User, auditor: User, stranger: User) -> None:
    node = make_node(bot)
    for user in (viewer, auditor, stranger):
        actor = Actor.of(user)
        with pytest.raises(NotAllowed):
            create(actor, bot)
        with pytest.raises(NotAllowed):
            change_node(actor=actor, node=node, expected_revision=1, name="x")
        with pytest.raises(NotAllowed):
            delete_node(actor=actor, node=node)
    create(Actor.of(developer), bot)
