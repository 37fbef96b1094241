"""A canary key goes through import, test and failure; afterwards it is searched for in the database and the logs."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from django.apps import apps
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from certificates.errors import BundleError
from certificates.models import SealedKey
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret
from certificates.services.importing import import_certificate
from servicenodes.services import probing
from tests.factories import make_node, make_trust_store, upload
from tests.pki import CA, Issued
from tests.servers import python_server

PASSPHRASE = b"canary passphrase 7f3a"


def spellings(issued: Issued) -> Iterator[bytes]:
    """The key's secret number and the passphrase, as they are and as text."""
    assert isinstance(issued.private_key, EllipticCurvePrivateKey)
    number = issued.private_key.private_numbers().private_value.to_bytes(32, "big")
    for secret in (number, PASSPHRASE):
        yield from (secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret)[2:-1].encode())
        for offset in range(3):  # base64 spells the same bytes in three ways, by where they begin
            encoded = base64.b64encode(b"\0" * offset + secret)
            yield encoded[4 : len(encoded) - 8]
    yield str(int.from_bytes(number, "big")).encode()


def everything_stored() -> bytes:
    """All columns of all rows of all tables."""
    found = bytearray()
    for model in apps.get_models():
        for row in model._default_manager.values_list():
            for value in row:
                found += bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                found += b"\n"
    return bytes(found)


@pytest.mark.django_db
def test_the_key_is_found_nowhere_in_the_clear(
    bot: Bot,
    operator: Actor,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1"]
    caplog.set_level(0)
    authority, server_authority = CA.root("Client CA"), CA.root("Server CA")
    issued = authority.issue("canary.example")
    p12 = [UploadedFile("canary.p12", issued.p12(PASSPHRASE))]
    with pytest.raises(BundleError):
        import_certificate(actor=operator, owner=bot, name="canary", files=p12, passphrase=Secret(PASSPHRASE + b"!"))
    import_certificate(
        actor=operator, owner=bot, name="canary", files=p12, passphrase=Secret(PASSPHRASE), make_default=True
    )
    import_certificate(actor=operator, owner=bot, name="again", files=upload(issued), passphrase=None)

    store = make_trust_store(bot, authorities=(server_authority,))
    server = server_authority.issue("localhost", eku=("serverAuth",), san=("localhost",))
    verdicts = []
    for client_ca in (authority, CA.root("Other CA")):
        with python_server(server, client_ca=client_ca) as peer:
            test = probing.request_test(actor=operator, node=make_node(bot, url=peer.url, trust_store=store))
            probing.run_test(test.pk)
            test.refresh_from_db()
            verdicts.append(test.verdict)
    SealedKey.objects.filter(version__certificate__name="canary").update(envelope=b"BPE1 damaged")
    probing.run_test(probing.request_test(actor=operator, node=make_node(bot, url=peer.url)).pk)

    assert verdicts == ["accepted", "rejected"]
    output = capfd.readouterr()
    everything = everything_stored() + caplog.text.encode() + (output.out + output.err).encode()
    assert f"{issued.certificate.serial_number:x}".encode() in everything  # the search does find what is there
    assert [spelling for spelling in spellings(issued) if spelling in everything] == []
