"""Two real banks and a certificate that is being renewed by another CA: for tests of proofs, alarms and fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate, TrustStore, VersionStatus
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services import probing
from tests.factories import add_version, make_certificate, make_node, make_trust_store
from tests.pki import CA
from tests.servers import Peer, free_port, python_server
from tests.servicenodes.services.calls import echo


@dataclass(frozen=True)
class Banks:
    """`slow` trusts the old CA only, `quick` trusts both; both present certificates of `servers`."""

    slow: Peer
    quick: Peer
    old: CA
    new: CA
    servers: CA

    def renewed(self, owner: Bot | None, name: str = "bank") -> ClientCertificate:
        """A certificate with version 1 of the old CA active, and version 2 of the new one staged."""
        made = make_certificate(owner, name, issued=self.old.issue("one.example"))
        add_version(made, self.new.issue("two.example"), number=2, status=VersionStatus.STAGED)
        return made

    def node(self, bot: Bot, slug: str, peer: Peer | None, certificate: ClientCertificate | None) -> ServiceNode:
        """A node that calls a bank; without a peer, a port where nobody listens."""
        url = peer.url if peer else f"https://localhost:{free_port()}/"
        trust = TrustStore.objects.filter(bot=bot, name="roots").first()
        trust = trust or make_trust_store(bot, "roots", authorities=(self.servers,))
        return make_node(bot, slug, url=url, certificate=certificate, trust_store=trust, timeout_s=5)


@contextmanager
def banks() -> Iterator[Banks]:
    old, new, servers = CA.root("Old client CA"), CA.root("New client CA"), CA.root("Bank server CA")
    server = servers.issue("localhost", eku=("serverAuth",), san=("localhost",))
    with (
        python_server(server, client_ca=old, behaviour=echo) as slow,
        python_server(server, client_ca=old, behaviour=echo) as quick,
    ):
        quick.trust(new)
        yield Banks(slow, quick, old, new, servers)


def work() -> int:
    """What a worker does: run every test that is queued; how many."""
    queued = ConnectionTest.objects.filter(started_at__isnull=True, finished_at__isnull=True)
    keys = list(queued.order_by("requested_at").values_list("pk", flat=True))
    for key in keys:
        probing.run_test(key)
    return len(keys)


def version(certificate: ClientCertificate, number: int) -> CertificateVersion:
    found = certificate.versions.get(number=number)
    found.certificate = certificate
    return found
