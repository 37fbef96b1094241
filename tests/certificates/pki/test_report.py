"""The contract's JSON, and the JSON of the pipe."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from certificates.pki.report import inspection_as_json
from certificates.pki.wire import dump_inspection, load_inspection
from tests.certificates.pki.uploads import inspect
from tests.pki import CA, self_signed


def test_the_contracts_json() -> None:
    issued = CA.root().intermediate().issue("bot.example", key="rsa-2048", san=("bot.example",))

    document = inspection_as_json(inspect(issued.p12(b"x", include_root=True), passphrase=b"x"))

    assert list(document) == ["importable", "leaf", "intermediates", "root", "ignored", "findings", "error"]
    leaf = document["leaf"]
    assert isinstance(leaf, dict)
    assert leaf["key"] == {"type": "rsa", "bits": 2048}
    assert leaf["eku"] == ["clientAuth"]
    assert leaf["san"] == ["bot.example"]
    assert leaf["not_after"].endswith("Z")
    assert document["importable"] is True
    assert document["error"] is None
    assert issued.key_pkcs8_der.hex() not in json.dumps(document)


def test_an_error_and_what_was_ignored() -> None:
    document = inspection_as_json(inspect(CA.root().pem, CA.root().crl_pem()))

    assert document["importable"] is False
    assert document["error"] == {
        "code": "no_private_key",
        "text": "The files hold no private key: add the key file, or upload the .p12 file that holds both.",
        "file": None,
    }
    assert document["ignored"] == [{"what": "revocation list in file-2", "why": "not_a_certificate"}]


def test_allowed_findings_make_it_importable() -> None:
    issued = CA.root().expired()
    inspection = inspect(issued.key_pem, issued.cert_pem)

    assert inspection_as_json(inspection)["importable"] is False
    assert inspection_as_json(inspection, frozenset({"expired"}))["importable"] is True


@pytest.mark.parametrize("eku", [None, ("clientAuth",)])
def test_the_pipe_carries_everything(eku: tuple[str, ...] | None) -> None:
    issued = CA.root().intermediate().issue(eku=eku)
    for inspection in (
        inspect(issued.p12(b"x", include_root=True), CA.root().crl_pem(), passphrase=b"x"),
        inspect(self_signed().cert_pem),
        inspect(b"?"),
    ):
        carried = load_inspection(json.loads(json.dumps(dump_inspection(inspection))))

        assert replace(carried, private_key=None) == replace(inspection, private_key=None)
        before, after = inspection.private_key, carried.private_key
        assert (before and before.reveal()) == (after and after.reveal())


@pytest.mark.parametrize("row", [{}, {"private_key": "!"}, {"private_key": None, "leaf": {"der": ""}}])
def test_what_the_pipe_did_not_make_is_refused(row: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        load_inspection(row)
