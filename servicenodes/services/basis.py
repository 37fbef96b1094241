"""What a connection test was about, as one value: a verdict tells nothing of settings that changed since."""

from __future__ import annotations

import hashlib
import json

from certificates.models import CertificateVersion
from servicenodes.models import ServiceNode
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
