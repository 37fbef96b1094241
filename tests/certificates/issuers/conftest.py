"""The authorities, each started once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from servicenodes.services.outbound import close
from tests.authorities import AcmeServer, Bao, openbao, pebble
from tests.pki import CA


@pytest.fixture(scope="session")
def authority() -> CA:
    """What the servers' own certificates are signed by."""
    return CA.root("Authorities’ own root")


@pytest.fixture(scope="session")
def acme_server(authority: CA) -> Iterator[AcmeServer]:
    with pebble(authority) as server:
        yield server


@pytest.fixture(scope="session")
def bao(authority: CA) -> Iterator[Bao]:
    with openbao(authority) as server:
        yield server


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> Iterator[None]:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    yield
    close()
