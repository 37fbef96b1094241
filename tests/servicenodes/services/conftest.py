"""The node of the tests of real calls: variables in every place, a secret header, a certificate and a trust store."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, TrustStore
from servicenodes.models import ServiceNode
from servicenodes.services.nodes import create_node
from tests.factories import make_certificate, make_trust_store
from tests.servicenodes.services.calls import Bank


@pytest.fixture
def certificate(bot: Bot, bank: Bank) -> ClientCertificate:
    return make_certificate(bot, "bank", issued=bank.authority.issue("one.example"))


@pytest.fixture
def trust(bot: Bot, bank: Bank) -> TrustStore:
    return make_trust_store(bot, "bank-roots", authorities=(bank.server_authority,))


@pytest.fixture
def node(bot: Bot, bank: Bank, certificate: ClientCertificate, trust: TrustStore, operator: Actor) -> ServiceNode:
    return create_node(
        actor=operator,
        bot=bot,
        name="Pay",
        method="POST",
        url=bank.peer.url + "accounts/{{account}}/payments?note={{note}}",
        headers={"Authorization": "Bearer canary", "X-Trace": "t-{{account}}", "Accept": "application/json"},
        body='{"note": "{{note}}", "amount": {{amount}}}',
        certificate=certificate,
        trust_store=trust,
        timeout_s=5,
    )
