"""A promoted version is presented by the very next call, over kept connections too; a retired one by none."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, VersionStatus
from certificates.services.rotation import destroy, promote, retire, roll_back
from servicenodes.models import ServiceNode
from servicenodes.services.invoking import CallRefused, invoke_node
from tests.factories import add_version, make_certificate, make_node, make_trust_store
from tests.servicenodes.services.calls import Bank

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def certificate(bot: Bot, bank: Bank) -> ClientCertificate:
    """acme/bank with version 1 active and version 2 staged."""
    made = make_certificate(bot, "bank", issued=bank.authority.issue("one.example"))
    add_version(made, bank.authority.issue("two.example"), number=2, status=VersionStatus.STAGED)
    return made


@pytest.fixture
def node(bot: Bot, bank: Bank, certificate: ClientCertificate) -> ServiceNode:
    trust = make_trust_store(bot, "roots", authorities=(bank.server_authority,))
    return make_node(bot, "pay", url=f"{bank.peer.url}pay", certificate=certificate, trust_store=trust, timeout_s=5)


def test_the_next_call_presents_the_promoted_version(
    operator: Actor, certificate: ClientCertificate, node: ServiceNode, bank: Bank
) -> None:
    def presented() -> tuple[int | None, str]:
        return invoke_node(actor=operator, node=node).version, bank.clients()[-1]

    assert presented() == (1, "one.example")
    promote(actor=operator, certificate=certificate)
    assert presented() == (2, "two.example")
    roll_back(actor=operator, certificate=certificate)
    assert presented() == (1, "one.example")
    destroy(actor=operator, certificate=certificate, number=2)
    assert presented() == (1, "one.example")
    retire(actor=operator, certificate=certificate, number=1, force=True)
    with pytest.raises(CallRefused) as refused:
        presented()
    assert refused.value.code == "no_active_version"
    opened = AuditEvent.objects.filter(action="key.opened").order_by("position")
    assert [event.facts["version"] for event in opened] == [1, 2], "once each: kept pools keep their credential"


def test_no_call_is_lost_while_versions_change(
    operator: Actor, certificate: ClientCertificate, node: ServiceNode
) -> None:
    promote(actor=operator, certificate=certificate)
    over, errors, seen = threading.Event(), list[BaseException](), set[int | None]()

    def call() -> None:
        try:
            while not over.is_set():
                seen.add(invoke_node(actor=operator, node=node).version)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        roll_back(actor=operator, certificate=certificate)
        assert invoke_node(actor=operator, node=node).version == 1
        promote(actor=operator, certificate=certificate, number=2)
        assert invoke_node(actor=operator, node=node).version == 2
    over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert seen <= {1, 2}
