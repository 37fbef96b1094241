"""Attaching, and which certificate is effective."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput, NotAllowed
from certificates.services.certificates import delete_certificate
from servicenodes.effective import effective_certificate, effective_certificates
from servicenodes.models import ServiceNode
from servicenodes.resolution import Rule
from servicenodes.services.attaching import attach_certificate, detach_certificate
from tests.factories import make_bot, make_certificate, make_node, make_test

pytestmark = pytest.mark.django_db


def test_attaching_tells_what_changed_and_is_on_record(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank")
    nodes = [make_node(bot, "one"), make_node(bot, "two", certificate=certificate)]
    changed = attach_certificate(actor=operator, certificate=certificate, nodes=nodes)

    assert [node.path for node in changed] == ["acme/one"]
    assert set(ServiceNode.objects.values_list("certificate", "slug", "revision")) == {
        (certificate.pk, "one", 2),
        (certificate.pk, "two", 1),
    }
    event = AuditEvent.objects.get()
    assert (event.action, event.object_name) == ("certificate.attached", "acme/one")
    assert event.facts == {"certificate": "acme/bank", "before": None}


def test_attaching_again_changes_nothing(operator: Actor, bot: Bot) -> None:
    certificate, node = make_certificate(bot), make_node(bot)
    attach_certificate(actor=operator, certificate=certificate, nodes=[node])
    assert attach_certificate(actor=operator, certificate=certificate, nodes=[node, node]) == ()
    assert AuditEvent.objects.count() == 1


def test_detaching_leaves_the_node_to_its_defaults(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank")
    node = make_node(bot, certificate=certificate)
    assert [found.path for found in detach_certificate(actor=operator, nodes=[node])] == [node.path]
    assert detach_certificate(actor=operator, nodes=[node]) == ()
    assert AuditEvent.objects.get().facts == {"before": "acme/bank"}


def test_a_foreign_certificate_is_attached_to_none_of_the_nodes(operator: Actor, bot: Bot, other_bot: Bot) -> None:
    foreign = make_certificate(other_bot)
    nodes = [make_node(other_bot, "theirs"), make_node(bot, "ours")]
    with pytest.raises(InvalidInput):
        attach_certificate(actor=operator, certificate=foreign, nodes=nodes)
    assert not ServiceNode.objects.filter(certificate__isnull=False).exists()
    assert not AuditEvent.objects.exists()


def test_a_certificate_that_was_tested_can_still_be_deleted(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot)
    test = make_test(make_node(bot), verdict="accepted", version=certificate.active_version)
    delete_certificate(actor=operator, certificate=certificate)
    test.refresh_from_db()
    assert (test.version, test.verdict) == (None, "accepted")


def test_who_may_attach(bot: Bot, other_bot: Bot, developer: User, viewer: User) -> None:
    certificate, node, foreign = make_certificate(None), make_node(bot), make_node(other_bot)
    for user, nodes in ((viewer, [node]), (developer, [node, foreign])):
        with pytest.raises(NotAllowed):
            attach_certificate(actor=Actor.of(user), certificate=certificate, nodes=nodes)
        with pytest.raises(NotAllowed):
            detach_certificate(actor=Actor.of(user), nodes=nodes)
    assert attach_certificate(actor=Actor.of(developer), certificate=certificate, nodes=[node])


def test_the_effective_certificate_and_its_rule(bot: Bot, other_bot: Bot) -> None:
    own, default = make_certificate(bot), make_certificate(bot, is_default=True)
    platform = make_certificate(None, is_default=True)
    attached, plain, elsewhere = make_node(bot, certificate=own), make_node(bot), make_node(other_bot)

    found = effective_certificates([attached, plain, elsewhere])
    assert [(found[node.pk].certificate, found[node.pk].rule) for node in (attached, plain, elsewhere)] == [
        (own, Rule.NODE),
        (default, Rule.BOT),
        (platform, Rule.PLATFORM),
    ]
    platform.is_default = False
    platform.save()
    assert effective_certificate(elsewhere).certificate is None
    assert effective_certificates([]) == {}


@pytest.mark.parametrize("bots", [1, 10])
def test_a_list_of_nodes_costs_a_constant_number_of_queries(
    bots: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_certificate(None, is_default=True)
    for _ in range(bots):
        bot = make_bot()
        certificate = make_certificate(bot, is_default=True)
        for number in range(10):
            node = make_node(bot, certificate=certificate if number % 2 else None)
            make_test(node, verdict="rejected", summary="No.")
            make_test(node, verdict="accepted", summary="Yes.")
            make_test(node)  # still queued: it says nothing yet

    with django_assert_num_queries(3):
        nodes = list(ServiceNode.objects.select_related("bot"))
        effective = effective_certificates(nodes)
        for node in nodes:
            chosen = effective[node.pk].certificate
            assert chosen is not None
            assert chosen.active_version is not None
            assert "/" in node.path + chosen.path
            assert node.last_verdict == "accepted"
