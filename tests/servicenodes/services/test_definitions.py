"""Importing a bot definition: what is made, what stays, and that it is all or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.pki.secret import Secret
from servicenodes.definitions.reading import read_bot
from servicenodes.models import SealedHeader, ServiceNode
from servicenodes.services.definitions import ImportReport, import_definition
from servicenodes.services.headers import open_sealed
from servicenodes.services.nodes import change_node
from servicenodes.services.probing import request_test
from tests.factories import make_certificate
from tests.servicenodes.definitions.exports import CONFIG, component, definition, end_point, headers

pytestmark = pytest.mark.django_db
BALANCE = component()
PAY = component("Pay", endPoint=end_point("{{env.BASE}}/pay", method="post"), headers=headers(Authorization="Basic x"))
OPEN = component("Elsewhere", endPoint=end_point("{{context.session.base}}/x"))


def run(operator: Actor, *components: dict[str, Any], **options: Any) -> ImportReport:
    return import_definition(actor=operator, definition=read_bot(definition(*components), CONFIG), **options)


def node(slug: str) -> ServiceNode:
    return ServiceNode.objects.select_related("bot").get(slug=slug)


def secrets(slug: str) -> dict[str, str]:
    opened: tuple[tuple[str, Secret], ...] = open_sealed(actor=Actor.operating_system(), node=node(slug))
    return {name: value.reveal().decode() for name, value in opened}


@pytest.fixture
def imported(transactional_db: None, operator: Actor, bot: Bot) -> Bot:
    run(operator, BALANCE, PAY, OPEN, bot=bot)
    return bot


def test_nodes_appear_and_the_same_export_again_changes_nothing(
    operator: Actor, bot: Bot, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    first = run(operator, BALANCE, PAY, OPEN, component("Table", serviceNodeType="datatable"), bot=bot)
    paths = ["acme/accounts-getbalance", "acme/accounts-pay", "acme/accounts-elsewhere"]
    assert (first.created, first.needs_url, first.changed) == (paths, paths[2:], True)
    assert [row.node for row in first.definition.left_out] == ["Accounts / Table"]
    assert first.variables == [("acme/accounts-elsewhere", "context.session.base", "context_session_base")]
    pay = node("accounts-pay")
    assert (pay.method, pay.url, pay.timeout_s) == ("POST", "https://api.bank.example/v1/pay", 20)
    events = AuditEvent.objects.count()
    with django_assert_max_num_queries(8):
        again = run(operator, BALANCE, PAY, OPEN, component("Table", serviceNodeType="datatable"), bot=bot)
    assert (again.created, again.updated, again.unchanged, again.changed) == ([], [], paths, False)
    assert AuditEvent.objects.count() == events
    assert {"bot.definition_imported", "node.created"} <= set(AuditEvent.objects.values_list("action", flat=True))
    assert "Basic x" not in str(list(AuditEvent.objects.values_list("facts", flat=True)))


def test_what_people_chose_stays(operator: Actor, imported: Bot) -> None:
    certificate = make_certificate(imported, "bank")
    changed = {"certificate": certificate, "min_tls": "1.3", "server_name": "b.example", "require_mutual_tls": False}
    pay = node("accounts-pay")
    change_node(actor=operator, node=pay, expected_revision=pay.revision, **changed, method="PUT", body="mine")
    report = run(operator, BALANCE, PAY, OPEN, bot=imported)
    assert [(row.node, row.fields) for row in report.updated] == [("acme/accounts-pay", ("method", "body"))]
    pay = node("accounts-pay")
    assert (pay.method, pay.body) == ("POST", "")
    assert {name: getattr(pay, name) for name in changed} == changed
    assert secrets("accounts-pay") == {"Authorization": "Basic x"}


def test_a_url_given_by_hand_stays_until_the_export_names_one(operator: Actor, imported: Bot) -> None:
    asking = node("accounts-elsewhere")
    with pytest.raises(InvalidInput, match="has no URL yet") as caught:
        request_test(actor=operator, node=asking)
    assert caught.value.code == "url_missing"
    values: dict[str, Any] = {"url": "https://test.bank.example/x", "sealed_headers": {"X-Key": "mine"}}
    change_node(actor=operator, node=asking, expected_revision=asking.revision, **values)
    assert not run(operator, BALANCE, PAY, OPEN, bot=imported).changed
    assert node("accounts-elsewhere").url == "https://test.bank.example/x"
    assert secrets("accounts-elsewhere") == {"X-Key": "mine"}
    named = component("Elsewhere", endPoint=end_point("https://live.bank.example/x"))
    report = run(operator, BALANCE, PAY, named, bot=imported)
    assert [row.node for row in report.updated] == ["acme/accounts-elsewhere"]
    assert node("accounts-elsewhere").url == "https://live.bank.example/x"
    assert secrets("accounts-elsewhere") == {}  # it was for another host
    assert ("acme/accounts-elsewhere", "Its host changes, so the secret header X-Key goes.") in report.notes


def test_a_url_never_becomes_unknown_again(operator: Actor, imported: Bot) -> None:
    unknown = {**PAY, "endPoint": end_point("{{env.GONE}}/pay", method="post")}
    run(operator, BALANCE, unknown, OPEN, bot=imported)
    assert node("accounts-pay").url == "https://api.bank.example/v1/pay"


def test_secret_values_change_only_with_the_export(operator: Actor, imported: Bot) -> None:
    pay = node("accounts-pay")
    own: dict[str, Any] = {"sealed_headers": {"Authorization": "Basic real", "X-Own": "1"}}
    change_node(actor=operator, node=pay, expected_revision=pay.revision, **own)
    assert not run(operator, BALANCE, PAY, OPEN, bot=imported).changed
    assert secrets("accounts-pay") == {"Authorization": "Basic real", "X-Own": "1"}
    report = run(operator, BALANCE, {**PAY, "headers": headers(Authorization="Basic y")}, OPEN, bot=imported)
    assert report.updated[0].fields == ("secret headers",)
    assert secrets("accounts-pay") == {"Authorization": "Basic y", "X-Own": "1"}


def test_a_value_given_in_place_of_a_variable_stays(operator: Actor, bot: Bot) -> None:
    asking = component(headers=headers(X_Api_Key="{{env.KEY}}"))
    run(operator, asking, bot=bot)
    found = node("accounts-getbalance")
    assert found.headers == {"X-Api-Key": "{{env_KEY}}"}
    given: dict[str, Any] = {"headers": {}, "sealed_headers": {"X-Api-Key": "real"}}
    change_node(actor=operator, node=found, expected_revision=found.revision, **given)
    assert not run(operator, asking, bot=bot).changed
    assert SealedHeader.objects.count() == 1


def test_what_is_gone_is_told_and_kept_and_names_follow(operator: Actor, imported: Bot) -> None:
    report = run(operator, {**BALANCE, "name": "Renamed"}, PAY, bot=imported)
    assert report.gone == ["acme/accounts-elsewhere"]
    assert report.updated[0].fields == ("name",)
    assert (node("accounts-getbalance").name, ServiceNode.objects.count()) == ("Renamed", 3)
    other = definition(BALANCE, _id="st-2")
    assert import_definition(actor=operator, definition=read_bot(other, None), bot=imported).gone == []
    assert ServiceNode.objects.filter(slug="accounts-getbalance-2").exists()


def test_a_check_stores_nothing(operator: Actor) -> None:
    report = run(operator, BALANCE, PAY, dry_run=True)
    assert (report.bot, report.bot_created, len(report.created)) == ("bank", True, 2)
    assert not Bot.objects.exists()
    assert not AuditEvent.objects.exists()
    made = run(operator, BALANCE, PAY, slug="other")
    assert (made.bot, Bot.objects.get().name) == ("other", "Bank")


def test_all_or_nothing(operator: Actor, bot: Bot) -> None:
    bad = read_bot(definition(BALANCE, PAY), CONFIG)
    object.__setattr__(bad.nodes[1], "headers", {"Host": "elsewhere"})  # what the reader leaves out
    with pytest.raises(InvalidInput, match="Accounts / Pay: The header Host"):
        import_definition(actor=operator, definition=bad, bot=bot)
    assert not ServiceNode.objects.exists()


def test_who_may(viewer: User, developer: User, bot: Bot) -> None:
    with pytest.raises(NotAllowed):
        run(Actor.of(viewer), BALANCE, bot=bot)
    assert run(Actor.of(developer), BALANCE, bot=bot).created
    with pytest.raises(NotAllowed, match=r"bot\.create"):
        run(Actor.of(developer), BALANCE, slug="new-one")
