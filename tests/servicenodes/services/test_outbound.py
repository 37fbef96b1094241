"""Requests of the lower packages: over TLS, under the address policy, to whom the given anchors prove."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pytest_django import Settings

from botplatform.errors import InvalidInput
from botplatform.outbound import OutboundFailed, OutboundRequest, check, send
from servicenodes.services.outbound import close
from tests.servers import python_server
from tests.servicenodes.tls.calls import Backend
from tests.servicenodes.tls.world import world


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close()


def anchors() -> tuple[bytes, ...]:
    certificates = world().trust.certificates
    assert certificates is not None
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def test_a_request_and_its_answer(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1/128"]
    backend = Backend()
    with python_server(world().server, behaviour=backend) as peer:
        request = OutboundRequest("POST", peer.url + "hook", (("X-One", "1"),), b"body", anchors())
        answer = send(request)
    assert (answer.status, answer.body, answer.truncated) == (200, b"hi", False)
    assert (answer.header("x-name"), answer.header("x-other")) == ("value", None)
    assert backend.bodies == [b"body"]
    assert b"X-One: 1" in backend.heads[0]


def test_an_address_that_is_not_allowed_is_not_called(settings: Settings) -> None:
    settings.EGRESS_ALLOW = []
    backend = Backend()
    with python_server(world().server, behaviour=backend) as peer, pytest.raises(OutboundFailed) as failure:
        send(OutboundRequest("GET", peer.url, anchors=anchors()))
    assert not failure.value.request_sent
    assert "address" in failure.value.text
    assert backend.connections == 0


def test_a_server_that_the_anchors_do_not_prove_gets_nothing(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1/128"]
    backend = Backend()
    with python_server(world().server, behaviour=backend) as peer, pytest.raises(OutboundFailed) as failure:
        send(OutboundRequest("GET", peer.url))
    assert not failure.value.request_sent
    assert backend.heads == []


def test_a_body_that_breaks_off_is_no_answer_unless_the_status_is_enough(settings: Settings) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1/128"]
    backend = Backend(answer=b"HTTP/1.0 200 OK\r\n\r\nha", last=1)
    with python_server(world().server, behaviour=backend) as peer:
        with pytest.raises(OutboundFailed):
            send(OutboundRequest("GET", peer.url, anchors=anchors()))
        answer = send(OutboundRequest("GET", peer.url, anchors=anchors(), status_is_enough=True))
    assert (answer.status, answer.body, answer.truncated) == (200, b"ha", True)


def test_only_https_leaves() -> None:
    with pytest.raises(InvalidInput):
        send(OutboundRequest("GET", "http://127.0.0.1/"))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.com/in", []),  # a name: nobody is asked before it is used
        ("https://93.184.216.34/", []),
        ("https://127.0.0.1:8443/", ["127.0.0.0/8"]),
        ("https://10.1.2.3:8443/", ["10.1.2.3:8443"]),
        ("https://localhost:8443/", ["localhost:8443"]),
        ("https://localhost/", ["::1"]),  # it may lead there
    ],
)
def test_what_may_be_called(settings: Settings, url: str, allowed: list[str]) -> None:
    settings.EGRESS_ALLOW = allowed
    check(url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://127.0.0.1/hook", "loopback"),
        ("https://10.1.2.3/", "private"),
        ("https://[::1]:8443/", "loopback"),
        ("https://169.254.169.254/latest", "metadata"),
        ("https://localhost/", "loopback"),
        ("https://hooks.localhost./", "loopback"),
    ],
)
def test_what_certainly_may_not_be_called(settings: Settings, url: str, kind: str) -> None:
    settings.EGRESS_ALLOW = ["10.9.0.0/16", "10.1.2.3:8443"]
    with pytest.raises(InvalidInput, match=rf"\({kind}\).*EGRESS_ALLOW") as refused:
        check(url)
    assert refused.value.field == "url"
