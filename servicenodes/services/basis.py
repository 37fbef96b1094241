"""What a connection test was about, as one value: a verdict tells nothing of settings that changed since."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence

from django.db.models import F, prefetch_related_objects

from certificates.models import CertificateVersion, ClientCertificate
from servicenodes.effective import effective_certificates
from servicenodes.models import ConnectionTest, ServiceNode
from servicenodes.services.requests import ProbeOptions


def basis_of(node: ServiceNode, version: CertificateVersion | None, options: ProbeOptions | None = None) -> str:
    """A SHA-256, in hexadecimal, over everything that decides the outcome on our side.

    `version` is what is presented. What the test does not use (method, body, names) is left out. Needs the node's
    `trust_store` loaded, or asks for it.
    """
    options = options or ProbeOptions()
    store = options.trust_store or node.trust_store
    facts = {
        "url": node.url,
        "headers": sorted(node.headers.items()),
        "version": str(version.pk) if version else None,
        "trust_store": [str(store.pk), store.revision] if store else None,
        "trust_files": options.trust is not None,
        "server_name": options.server_name or node.server_name,
        "tls": [options.min_tls or node.min_tls, options.max_tls],
        "timeout_s": options.timeout_s or float(node.timeout_s),
        "proxy": options.proxy,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def outdated(nodes: Sequence[ServiceNode]) -> dict[uuid.UUID, str]:
    """Which nodes would be tested in another way now than by the test that finished last, and why (`what_changed`).

    Four queries in all.
    """
    tested = [node for node in nodes if node.last_verdict]
    prefetch_related_objects(tested, "trust_store")
    effective = effective_certificates(tested)
    last = ConnectionTest.objects.filter(node__in=tested, finished_at=F("node__last_tested_at")).order_by()
    tests = last.select_related("version").only("node", "basis", "version__certificate")
    by_node = {test.node_id: test for test in tests}
    found = {}
    for node in tested:
        if node.pk in by_node and (why := what_changed(by_node[node.pk], node, effective[node.pk].certificate)):
            found[node.pk] = why
    return found


def what_changed(test: ConnectionTest, node: ServiceNode, certificate: ClientCertificate | None) -> str:
    """What is otherwise now than at the test, to be said before “since”; empty when nothing is.

    `certificate` is the effective one. Needs the test's `version` loaded, or asks for it.
    """
    then, now = test.version, certificate.active_version if certificate else None
    if not test.basis or test.basis == basis_of(node, now):
        return ""
    if test.basis != basis_of(node, then):
        return "Settings changed"
    if then is None or now is None:
        return "Nothing is presented" if now is None else "A certificate is presented"
    same = then.certificate_id == now.certificate_id
    return "Another version is active" if same else "Another certificate is presented"
