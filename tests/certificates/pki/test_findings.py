"""Every finding is produced by some upload, with the severity the contract gives it; nothing on the lists is dead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asn1crypto import pkcs12 as structure
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from certificates.pki import limits, succession
from certificates.pki.facts import facts_of
from certificates.pki.findings import SEVERITY, ErrorCode, FindingCode, IgnoredWhy
from certificates.pki.inspection import Inspection, Severity
from certificates.pki.public_cas import is_public_ca
from tests.certificates.pki.uploads import codes, error_code, ignored, inspect
from tests.pki import CA, Issued, distinguished_name, may_not_sign, pem, self_signed

NOW = datetime.now(UTC)
REFUSING = {
    *("expired", "key_too_small", "weak_signature", "client_auth_missing", "digital_signature_missing"),
    *("chain_invalid", "leaf_is_ca"),
}


def upload(issued: Issued) -> Inspection:
    root = [issued.root] if issued.root else []
    return inspect(issued.key_pem, issued.chain_pem, *(pem([item]) for item in root))


def days(before: int, after: int) -> dict[str, Any]:
    return {"not_before": NOW - timedelta(days=before), "not_after": NOW + timedelta(days=after)}


def legacy_pkcs12() -> Inspection:
    issued = CA.root().issue()
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(SHA1())  # noqa: S303 - the old files this is about
        .build(b"old")
    )
    content = pkcs12.serialize_key_and_certificates(None, issued.private_key, issued.certificate, None, encryption)
    return inspect(content, passphrase=b"old")


def public_ca() -> Inspection:
    ca = CA.root("DigiCert Global Root", subject=distinguished_name("Root", organisation="DigiCert Inc"))
    return upload(ca.issue(eku=("serverAuth", "clientAuth")))


def without_root(issued: Issued) -> Inspection:
    return inspect(issued.key_pem, issued.chain_pem)


def following(before: Issued) -> Inspection:
    """An upload that takes the place of `before`."""
    found = upload(CA.root().issue())
    assert found.leaf is not None
    told = succession.changes(facts_of(before.certificate, "before"), found.leaf, number=1, now=NOW)
    return replace(found, findings=(*found.findings, *told))


def only_leaf(issued: Issued) -> Inspection:
    return inspect(issued.key_pem, issued.cert_pem)


FINDINGS: Mapping[str, Callable[[], Inspection]] = {
    "expired": lambda: upload(CA.root().expired()),
    "not_yet_valid": lambda: upload(CA.root().not_yet_valid()),
    "expires_soon": lambda: upload(CA.root().issue(**days(60, 29))),
    "client_auth_missing": lambda: upload(CA.root().issue(eku=("serverAuth",))),
    "digital_signature_missing": lambda: upload(CA.root().issue(key="rsa-2048", key_usage=may_not_sign())),
    "key_too_small": lambda: upload(CA.root().issue(key="rsa-1024")),
    "weak_signature": lambda: upload(CA.root(key="rsa-2048").issue(signature_hash="sha1")),
    "missing_intermediate": lambda: only_leaf(CA.root().intermediate().issue()),
    "chain_invalid": lambda: upload(CA.root().intermediate(is_ca=False, key_usage=None).issue()),
    "chain_expired": lambda: upload(CA.root().intermediate(**days(99, -1)).issue()),
    "self_signed_leaf": lambda: upload(self_signed()),
    "leaf_is_ca": lambda: upload(CA.root().issue(is_ca=True)),
    "no_root": lambda: without_root(CA.root().intermediate().issue()),
    "root_included": lambda: upload(CA.root().issue()),
    "long_validity": lambda: upload(CA.root().issue(**days(1, 1000))),
    "legacy_encryption": legacy_pkcs12,
    "public_ca_client_auth_ending": public_ca,
    "subject_changed": lambda: following(CA.root().issue("one.example")),
    "names_missing": lambda: following(CA.root().issue(san=("api.example",))),
    "expires_earlier": lambda: following(CA.root().issue(**days(1, 1000))),
}


def expensive() -> Inspection:
    issued = CA.root().issue()
    rounds = limits.MAX_KDF_ITERATIONS + 1
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(b"x")
    content = pkcs12.serialize_key_and_certificates(None, issued.private_key, issued.certificate, None, encryption)
    pfx = structure.Pfx.load(content)
    pfx["mac_data"]["iterations"] = rounds
    return inspect(pfx.dump(force=True), passphrase=b"x")


def two_clients() -> Inspection:
    first, second = CA.root().issue(), CA.root().issue()
    return inspect(first.key_pem, first.cert_pem, second.key_pem, second.cert_pem)


def foreign_key() -> Inspection:
    key = x25519.X25519PrivateKey.generate()
    return inspect(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


ERRORS: Mapping[str, Callable[[], Inspection]] = {
    "no_private_key": lambda: inspect(CA.root().issue().cert_pem),
    "no_certificate": lambda: inspect(CA.root().issue().key_pem),
    "key_does_not_match": lambda: inspect(CA.root().issue().key_pem, CA.root().issue().cert_pem),
    "several_keys": two_clients,
    "passphrase_required": lambda: inspect(CA.root().issue().p12(b"x")),
    "passphrase_wrong": lambda: inspect(CA.root().issue().p12(b"x"), passphrase=b"y"),
    "unsupported_format": lambda: inspect(b"\xfe\xed\xfe\xed"),
    "unsupported_key": foreign_key,
    "malformed": lambda: inspect(b"?"),
    "too_large": lambda: inspect(b"x" * (limits.MAX_FILE_BYTES + 1)),
    "too_expensive": expensive,
}


def test_every_code_of_the_closed_lists_has_an_input() -> None:
    assert set(FINDINGS) == {code.value for code in FindingCode} == set(SEVERITY)
    assert set(ERRORS) == {code.value for code in ErrorCode}


@pytest.mark.parametrize("code", FINDINGS)
def test_every_finding_is_found(code: str) -> None:
    inspection = FINDINGS[code]()

    found = next(finding for finding in inspection.findings if finding.code == code)
    assert inspection.error is None
    assert (found.severity is Severity.ERROR) == (code in REFUSING)
    assert re.fullmatch(r"[^:]+: .+\.|.+ is not sent\.", found.text)
    assert inspection.importable() == (code not in REFUSING)
    assert inspection.importable(frozenset(inspection.refusing))


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_is_found(code: str) -> None:
    inspection = ERRORS[code]()

    assert error_code(inspection) == code
    assert inspection.error is not None
    assert inspection.error.text.endswith((".", ".”"))
    assert not inspection.importable(frozenset(FINDINGS))


def test_every_reason_to_pass_over_is_found() -> None:
    issued = CA.root().issue()
    other = CA.root().issue()

    inspection = inspect(
        issued.key_pem + issued.cert_pem, issued.cert_pem, other.key_pem, CA.root().pem, CA.root().crl_pem()
    )

    assert set(ignored(inspection)) == {why.value for why in IgnoredWhy}


def test_a_good_upload_has_only_good_news() -> None:
    assert codes(upload(CA.root().intermediate().issue())) == {"root_included"}


@pytest.mark.parametrize(
    ("before", "after", "soon"), [(335, 30, True), (334, 31, False), (27, 20, False), (37, 10, True)]
)
def test_soon_is_thirty_days_or_a_third_of_a_short_life(before: int, after: int, *, soon: bool) -> None:
    issued = CA.root().issue(not_before=NOW - timedelta(before), not_after=NOW + timedelta(after))

    inspection = inspect(issued.key_pem, issued.cert_pem, now=NOW)

    assert ("expires_soon" in codes(inspection)) == soon


def test_no_extended_key_usage_means_every_use() -> None:
    for eku in (None, ("anyExtendedKeyUsage",), ("clientAuth", "serverAuth")):
        assert "client_auth_missing" not in codes(upload(CA.root().issue(eku=eku)))


def test_no_key_usage_means_every_use() -> None:
    assert "digital_signature_missing" not in codes(upload(CA.root().issue(key_usage=None)))


def test_a_self_signed_certificate_may_carry_the_ca_flag_and_any_signature() -> None:
    assert codes(upload(self_signed(is_ca=True, key_usage=None))) == {"self_signed_leaf"}
    assert codes(upload(self_signed(key="rsa-2048", signature_hash="sha1"))) == {"self_signed_leaf"}


def test_an_intermediate_with_a_weak_signature() -> None:
    root = CA.root(key="rsa-2048")

    assert "weak_signature" in codes(upload(root.intermediate(signature_hash="md5").issue()))


def test_a_weak_key_is_told_although_the_certificate_is_missing() -> None:
    assert codes(inspect(CA.root().issue(key="rsa-1024").key_pem)) == {"key_too_small"}


def test_a_roots_own_key_is_not_a_clients() -> None:
    root = CA.root()
    key = root.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert {"self_signed_leaf", "leaf_is_ca"} <= codes(inspect(root.pem + key))


def test_a_public_ca_matters_only_for_certificates_with_client_auth() -> None:
    ca = CA.root(subject=distinguished_name("Root", organisation="Sectigo Limited"))

    assert "public_ca_client_auth_ending" not in codes(upload(ca.issue(eku=None)))


def test_a_company_that_runs_public_cas_may_have_issued_it_privately() -> None:
    (text,) = (found.text for found in public_ca().findings if found.code == "public_ca_client_auth_ending")
    assert text.startswith("If ")


@pytest.mark.parametrize(
    ("name", "public"), [("DigiCert, Inc.", True), ("LET’S ENCRYPT", True), ("A Bank", False), ("", False)]
)
def test_public_cas_by_organisation(name: str, *, public: bool) -> None:
    assert is_public_ca(name) == public
