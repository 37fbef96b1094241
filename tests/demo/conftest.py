"""A demo bank of the run's own, and plain clients of the standard library to call it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from demo.certificates import PASSPHRASE, Material, ensure_material
from demo.faces import FACES, server_context
from demo.server import FaceServer


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return ensure_material(tmp_path_factory.mktemp("bank") / "demo", now=datetime.now(UTC))


@pytest.fixture(scope="session")
def client_pem(material: Material) -> Path:
    """Key, certificate and intermediate of the demo client, in the clear, for the standard library."""
    key, certificate, issuers = pkcs12.load_key_and_certificates(material.client.read_bytes(), PASSPHRASE)
    assert key is not None
    assert certificate is not None
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    sent = [certificate, *(issuer for issuer in issuers if issuer.issuer != issuer.subject)]
    path = material.folder / "client.pem"
    path.write_bytes(key.private_bytes(*form) + b"".join(c.public_bytes(form[0]) for c in sent))
    return path


@pytest.fixture(scope="session")
def bank(material: Material) -> Iterator[dict[str, FaceServer]]:
    """The five faces, each on a free port, by slug."""
    servers = {face.slug: FaceServer(face, 0, server_context(face, material)) for face in FACES}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield servers
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def trusting(request: pytest.FixtureRequest, material: Material) -> ssl.SSLContext:
    """A client that trusts the bank, without a certificate, of one TLS version."""
    context = ssl.create_default_context(cafile=material.bank_ca)
    context.minimum_version = context.maximum_version = request.param
    return context
