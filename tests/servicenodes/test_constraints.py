"""The database refuses bad rows that were written past the services."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from botplatform.bots.models import Bot
from servicenodes.models import ConnectionTest, ServiceNode
from tests.factories import make_certificate, make_node, make_test, make_trust_store

pytestmark = pytest.mark.django_db


def refuses(write: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(
    "values",
    [
        {"slug": "Node"},
        {"slug": "a--b"},
        {"slug": "node\n"},
        {"name": ""},
        {"method": "TRACE"},
        {"method": ""},
        {"url": "http://api.bank.example/"},
        {"url": ""},
        {"min_tls": "1.1"},
        {"timeout_s": 0},
        {"timeout_s": 61},
    ],
)
def test_values_of_a_node(bot: Bot, values: dict[str, Any]) -> None:
    assert refuses(lambda: make_node(bot, **{"slug": "node", **values}))
    make_node(bot, "node")
    assert refuses(lambda: ServiceNode.objects.filter(slug="node").update(**values))


def test_a_method_may_be_a_variable_and_a_url_empty_where_an_export_named_none(bot: Bot) -> None:
    make_node(bot, "a", method="{{method}}", url="", exported_url="{{context_base}}/x", external_id="st-1/a")
    make_node(bot, "b")
    make_node(bot, "c")
    assert refuses(lambda: make_node(bot, "d", external_id="st-1/a"))


def test_a_slug_is_unique_within_its_bot(bot: Bot, other_bot: Bot) -> None:
    make_node(bot, "node")
    make_node(other_bot, "node")
    assert refuses(lambda: make_node(bot, "node"))


@pytest.mark.parametrize(("field", "make"), [("certificate", make_certificate), ("trust_store", make_trust_store)])
def test_nothing_crosses_bots(bot: Bot, other_bot: Bot, field: str, make: Callable[[Bot | None], object]) -> None:
    foreign, own, platforms = make(other_bot), make(bot), make(None)
    assert refuses(lambda: make_node(bot, "", **{field: foreign}))
    node = make_node(bot, "", **{field: own})
    mine = ServiceNode.objects.filter(pk=node.pk)
    assert refuses(lambda: mine.update(**{field: foreign}))
    assert refuses(lambda: mine.update(bot=other_bot))
    mine.update(**{field: platforms})
    mine.update(bot=other_bot)
    mine.update(**{field: None})


def test_a_verdict_comes_with_the_end_of_a_test(bot: Bot) -> None:
    test = make_test(make_node(bot))
    mine = ConnectionTest.objects.filter(pk=test.pk)
    assert refuses(lambda: mine.update(verdict="accepted"))
    assert refuses(lambda: mine.update(finished_at=test.requested_at))
    mine.update(verdict="accepted", finished_at=test.requested_at)


def test_tests_of_before_know_whether_they_presented_something(bot: Bot) -> None:
    node = make_node(bot)
    reports = [{"client_certificate": {"sent": sent}} for sent in ("certificate", "empty", "no")]
    for report in (*reports, None):
        make_test(node, verdict="accepted", report=report)
    import_module("servicenodes.migrations.0010_presented").fill(apps, None)
    assert [test.report for test in ConnectionTest.objects.filter(presented=True)] == reports[:1]
