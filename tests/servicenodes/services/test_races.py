"""Changes at the same moment: one wins, nobody's change is lost unseen, and a test runs once."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, NotFound
from certificates.services.certificates import delete_certificate
from servicenodes.models import ServiceNode
from servicenodes.services import recording
from servicenodes.services.attaching import attach_certificate
from servicenodes.services.nodes import change_node
from tests.certificates.services.test_import_faults import in_threads
from tests.factories import make_certificate, make_node, make_test

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8


def test_of_changes_to_the_same_revision_one_wins(bot: Bot, operator: Actor) -> None:
    node = make_node(bot)
    acts = [
        lambda number=number: change_node(actor=operator, node=node, expected_revision=1, name=f"name {number}")
        for number in range(THREADS)
    ]
    errors = in_threads(*acts)
    assert sorted(type(error).__name__ for error in errors) == ["NoneType"] + ["Stale"] * (THREADS - 1)
    assert ServiceNode.objects.get().revision == 2
    assert verify_trail().ok


def test_attaching_the_same_nodes_in_any_order_ends(bot: Bot, operator: Actor) -> None:
    nodes = [make_node(bot) for _ in range(4)]
    certificates = [make_certificate(bot) for _ in range(THREADS)]
    acts = [
        lambda certificate=certificate, step=step: attach_certificate(
            actor=operator, certificate=certificate, nodes=nodes[::step]
        )
        for certificate, step in zip(certificates, [1, -1] * THREADS, strict=False)
    ]
    assert in_threads(*acts) == [None] * THREADS
    assert len(set(ServiceNode.objects.values_list("certificate", flat=True))) == 1
    assert set(ServiceNode.objects.values_list("revision", flat=True)) == {1 + THREADS}


def test_attaching_what_is_being_deleted_leaves_no_loose_end(bot: Bot, operator: Actor) -> None:
    for _ in range(5):
        certificate, node = make_certificate(bot), make_node(bot)
        errors = in_threads(
            lambda certificate=certificate: delete_certificate(actor=operator, certificate=certificate),
            lambda certificate=certificate, node=node: attach_certificate(
                actor=operator, certificate=certificate, nodes=[node]
            ),
        )
        node.refresh_from_db()
        deleted = type(certificate).objects.filter(pk=certificate.pk).first() is None
        assert deleted == (node.certificate_id is None), errors
        assert [error for error in errors if error is not None and not isinstance(error, Conflict | NotFound)] == []


def test_a_queued_test_is_claimed_once(bot: Bot) -> None:
    test = make_test(make_node(bot))
    claimed: list[bool] = []
    acts = [lambda: claimed.append(recording.claim(test.pk) is not None) for _ in range(THREADS)]
    assert in_threads(*acts) == [None] * THREADS
    assert claimed.count(True) == 1
