"""The demo bank's certificates: private, complete, renewed in time."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from demo.certificates import LIFETIME, PASSPHRASE, RENEW_BEFORE, Material, ensure_material

NOW = datetime(2031, 5, 4, tzinfo=UTC)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    material = ensure_material(tmp_path / "demo", now=NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in material.folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(material.folder.stat().st_mode) == 0o700


def test_they_are_reused_and_renewed_a_month_before_they_expire(tmp_path: Path) -> None:
    first = contents(ensure_material(tmp_path, now=NOW).folder)
    almost = NOW + LIFETIME - RENEW_BEFORE
    assert contents(ensure_material(tmp_path, now=almost - timedelta(seconds=1)).folder) == first
    assert contents(ensure_material(tmp_path, now=almost).folder)["acme-client.p12"] != first["acme-client.p12"]


@pytest.mark.parametrize("damage", ["valid-until.txt", "server.pem"])
def test_an_incomplete_folder_is_made_again(tmp_path: Path, damage: str) -> None:
    before = contents(ensure_material(tmp_path, now=NOW).folder)
    (tmp_path / damage).unlink()
    after = contents(ensure_material(tmp_path, now=NOW).folder)
    assert before.keys() == after.keys()
    assert before["demo-bank-ca.pem"] != after["demo-bank-ca.pem"]


def test_a_stamp_that_is_no_date_counts_as_missing(tmp_path: Path) -> None:
    material = ensure_material(tmp_path, now=NOW)
    material.stamp.write_text("tomorrow")
    assert ensure_material(tmp_path, now=NOW).stamp.read_text() != "tomorrow"


def test_the_mailed_file_holds_what_a_bank_mails(tmp_path: Path) -> None:
    material = ensure_material(tmp_path, now=NOW)
    passphrase = material.passphrase.read_bytes().strip()
    assert passphrase == PASSPHRASE
    key, certificate, issuers = pkcs12.load_key_and_certificates(material.client.read_bytes(), passphrase)
    assert key is not None
    assert certificate is not None
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate.verify_directly_issued_by(issuers[0])
    issuers[0].verify_directly_issued_by(issuers[1])
    root = x509.load_pem_x509_certificate(material.bank_ca.read_bytes())
    assert issuers[1] == root


def test_no_key_of_an_authority_is_kept(material: Material) -> None:
    for path in (material.bank_ca, material.other_ca):
        assert b"PRIVATE KEY" not in path.read_bytes()
