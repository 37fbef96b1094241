"""What a connection test makes of templates and secret headers: it sends none of them, and says so."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from servicenodes.services import probing
from servicenodes.services.nodes import create_node
from tests.factories import make_certificate, make_trust_store
from tests.servicenodes.services.calls import Bank, echo_bank

pytestmark = pytest.mark.django_db
SEEN: list[bytes] = []


def refuse(connection: ssl.SSLSocket) -> None:
    SEEN.append(connection.recv(65536))
    connection.sendall(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    with echo_bank(behaviour=refuse) as found:
        yield found


def test_credentials_stay_here(bot: Bot, operator: Actor, bank: Bank, settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    SEEN.clear()
    node = create_node(
        actor=operator,
        bot=bot,
        name="Pay",
        url=bank.peer.url + "v1/{{account}}?q={{q}}",
        headers={"Authorization": "Bearer s3cr3t", "X-Trace": "{{trace}}", "X-Fixed": "yes"},
        certificate=make_certificate(bot, "bank", issued=bank.authority.issue("one.example")),
        trust_store=make_trust_store(bot, authorities=(bank.server_authority,)),
        timeout_s=5,
    )
    report = probing.test_now(actor=operator, node=node).report or {}
    assert (report["verdict"], report["reason"]) == ("http_refused", "http_401")
    assert "(Authorization, X-Trace)" in report["advice"][0]
    sent = b"".join(SEEN)
    assert b" /v1/account?q=q HTTP/1.1" in sent
    assert b"X-Fixed: yes" in sent
    assert b"X-Trace" not in sent
    assert b"s3cr3t" not in sent
    assert "s3cr3t" not in json.dumps(report)
    assert "headers.opened" not in AuditEvent.objects.values_list("action", flat=True)
