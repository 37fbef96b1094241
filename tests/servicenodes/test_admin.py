"""The Django admin changes service nodes through the services, and only shows connection tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from servicenodes.models import ServiceNode
from tests.factories import make_certificate, make_node, make_test

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def form(**values: Any) -> dict[str, Any]:
    return {
        "name": "Get balance",
        "dialog": "",
        "slug": "",
        "method": "GET",
        "url": "https://api.bank.example/",
        "headers": json.dumps({}),
        "certificate": "",
        "trust_store": "",
        "server_name": "",
        "min_tls": "1.2",
        "timeout_s": 10,
        **values,
    }


def test_a_node_is_made_and_changed_through_the_service(bot: Bot, administrator: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    made = client.post(reverse("admin:servicenodes_servicenode_add"), form(bot=bot.pk))
    node = ServiceNode.objects.get()
    assert (made.status_code, node.slug) == (302, "get-balance")

    page = reverse("admin:servicenodes_servicenode_change", args=[node.pk])
    assert client.post(page, form(slug="get-balance", method="POST", expected_revision=1)).status_code == 302
    node.refresh_from_db()
    assert (node.method, node.revision) == ("POST", 2)
    events = AuditEvent.objects.order_by("position").values_list("action", "actor_name")
    assert list(events) == [("node.created", "administrator"), ("node.changed", "administrator")]


@pytest.mark.parametrize("trouble", ["stale", "foreign", "header"])
def test_a_refusal_is_shown_and_nothing_changes(
    bot: Bot, other_bot: Bot, administrator: User, sign_in: SignIn, trouble: str
) -> None:
    client = sign_in(administrator)
    node = make_node(bot, "balance", revision=3)
    changes: dict[str, dict[str, Any]] = {
        "stale": {"expected_revision": 2},
        "foreign": {"expected_revision": 3, "certificate": str(make_certificate(other_bot).pk)},
        "header": {"expected_revision": 3, "headers": json.dumps({"Host": "evil.example"})},
    }
    page = reverse("admin:servicenodes_servicenode_change", args=[node.pk])
    answer = client.post(page, form(slug="balance", **changes[trouble]), follow=True)

    shown = answer.content.decode()
    assert {"stale": "meanwhile", "foreign": "may use only", "header": "Host"}[trouble] in shown
    node.refresh_from_db()
    assert (node.revision, node.name) == (3, "balance")
    assert not AuditEvent.objects.exists()


def test_an_auditor_looks_only(bot: Bot, auditor: User, sign_in: SignIn) -> None:
    client = sign_in(auditor)
    node = make_node(bot)
    test = make_test(node, verdict="accepted", report={"verdict": "accepted"})
    for name, pk in (("servicenode", node.pk), ("connectiontest", test.pk)):
        assert client.get(reverse(f"admin:servicenodes_{name}_changelist")).status_code == 200
        page = client.get(reverse(f"admin:servicenodes_{name}_change", args=[pk]))
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert client.post(reverse(f"admin:servicenodes_{name}_change", args=[pk]), form()).status_code == 403
        assert client.post(reverse(f"admin:servicenodes_{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403
