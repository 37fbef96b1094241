"""Certificates, keys and bundles of other projects' test suites, each with the outcome its manifest demands."""

from __future__ import annotations

import csv
import json
import tarfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from certificates.pki.decoding import inspect_files
from certificates.pki.inspection import Inspection, UploadedFile
from certificates.pki.report import inspection_as_json
from certificates.pki.secret import Secret
from certificates.sandbox import inspect_untrusted

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
MANIFEST_DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)

# The manifest's words for a refusal, and the product's codes (errors and refusing findings) that say the same.
SAME = {
    "ambiguous_keys": {"several_keys"},
    "bad_signature": {"chain_invalid"},
    "cert_malformed": {"malformed"},
    "chain_expired": {"chain_expired"},
    "expired": {"expired"},
    "issuer_not_ca": {"chain_invalid"},
    "key_invalid": {"malformed"},
    "key_malformed": {"malformed"},
    "key_mismatch": {"key_does_not_match"},
    "key_too_large": {"too_expensive"},
    "key_type_unusable_in_tls": {"unsupported_key"},
    "key_unreadable": {"malformed"},
    "name_constraints": {"chain_invalid"},
    "no_cert": {"no_certificate"},
    "no_key": {"no_private_key"},
    "not_client_auth": {"client_auth_missing"},
    "p12_mac_invalid": {"malformed"},
    "p12_unreadable": {"malformed"},
    "unknown_critical_extension": {"chain_invalid"},
    "unsupported_container": {"unsupported_format"},
    "unsupported_encryption": {"unsupported_format"},
    "unsupported_key": {"unsupported_key"},
    "unsupported_key_format": {"unsupported_format"},
    "unsupported_key_type": {"unsupported_key"},
    "weak_ca_key": {"chain_invalid"},
    "weak_key": {"key_too_small"},
    "weak_signature": {"weak_signature"},
    "wrong_file_type": {"unsupported_format"},
    "wrong_password": {"passphrase_wrong"},
}
DATE_FINDINGS = frozenset({"expired", "not_yet_valid", "expires_soon", "chain_expired"})


@dataclass(frozen=True)
class Other:
    """Where the product honestly answers otherwise: the code it gives instead, whether it imports, and why."""

    code: str
    importable: bool
    reason: str


DIFFERENT = {
    "mbed-crt-cat-rsa-ec": Other(
        code="no_certificate",
        importable=False,
        reason="the file named as certificate holds two revocation lists and nothing else",
    ),
    "mosquitto-missing-intermediate": Other(
        code="missing_intermediate",
        importable=True,
        reason="a missing intermediate only warns: many servers hold it themselves",
    ),
    "newman-client-wrong-ca": Other(
        code="missing_intermediate",
        importable=True,
        reason="a root that is not the issuer is passed over by name, and the gap warned about",
    ),
    "nss-mlkem-p12": Other(
        code="passphrase_wrong",
        importable=False,
        reason="the library cannot tell this key's encryption from a wrong passphrase",
    ),
    "wolf-ed25519-selfmade-wrongroot": Other(
        code="self_signed_leaf",
        importable=True,
        reason="a self-signed certificate warns; the unrelated root is passed over by name",
    ),
}
# The contract lets an expired issuer only warn, because the server judges with its own copy of the chain.
ONLY_WARNED_TODAY = frozenset({"chain_expired"})


def rows() -> list[dict[str, str]]:
    manifest = SAMPLES / "certificates-manifest.tsv"
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = rows()
pytestmark = pytest.mark.skipif(not ROWS, reason=f"the samples are not here: {SAMPLES}")
each_sample = pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("samples")
    with tarfile.open(SAMPLES / "certificates.tar.gz") as archive:
        archive.extractall(target, filter="data")
    return target / "certificates"


def inspect(row: dict[str, str], folder: Path, now: datetime) -> Inspection:
    passphrase = {"(none)": None, "(empty)": Secret(b"")}.get(row["password"], Secret(row["password"].encode()))
    return inspect_files(sample_files(row, folder), passphrase=passphrase, now=now)


def sample_files(row: dict[str, str], folder: Path) -> list[UploadedFile]:
    names = [name for role in row["files_by_role"].split(";") for name in role.partition("=")[2].split("|")]
    return [UploadedFile(name, (folder / row["id"] / name).read_bytes()) for name in names]


def codes(inspection: Inspection) -> set[str]:
    found = {finding.code for finding in inspection.findings}
    return found | ({inspection.error.code} if inspection.error else set())


def check(row: dict[str, str], expected: str, inspection: Inspection, allowed: frozenset[str]) -> None:
    importable = inspection.importable(allowed)
    if inspection.error:
        assert inspection.error.text.endswith((".", "”."))
    if other := DIFFERENT.get(row["id"]):
        assert (other.code in codes(inspection), importable) == (True, other.importable), other.reason
        return
    verdict, _, code = expected.partition(":")
    match verdict:
        case "accept":
            assert importable, codes(inspection)
        case "accept_key_only":
            assert inspection.error is not None
            assert inspection.error.code == "no_certificate"
        case "accept_cert_only":
            assert inspection.error is not None
            assert inspection.error.code == "no_private_key"
        case "reject" | "reject_today":
            assert codes(inspection) & SAME[code], codes(inspection)
            assert not importable or code in ONLY_WARNED_TODAY
        case "either":
            assert importable or inspection.error or inspection.refusing
        case _:
            pytest.fail(f"the manifest says {expected}")


@each_sample
def test_the_outcome_without_regard_to_the_date(row: dict[str, str], folder: Path) -> None:
    inspection = inspect(row, folder, inside_validity(row, folder))

    check(row, row["expected_structural"], inspection, DATE_FINDINGS)


def inside_validity(row: dict[str, str], folder: Path) -> datetime:
    leaf = inspect(row, folder, MANIFEST_DAY).leaf
    return leaf.not_before + timedelta(days=1) if leaf else MANIFEST_DAY


@each_sample
def test_the_outcome_on_the_manifests_day(row: dict[str, str], folder: Path) -> None:
    inspection = inspect(row, folder, MANIFEST_DAY)
    if row["id"] in DIFFERENT and "expired" in codes(inspection):
        assert not inspection.importable()  # expired meanwhile, which comes first
        return

    check(row, row["expected_on_2026-11-22_strict"], inspection, frozenset())


@pytest.mark.parametrize("row", ROWS[::5], ids=[row["id"] for row in ROWS[::5]])
def test_the_limited_child_answers_the_same(row: dict[str, str], folder: Path) -> None:
    passphrase = {"(none)": None}.get(row["password"], Secret(row["password"].removeprefix("(empty)").encode()))

    outside = inspect_untrusted(sample_files(row, folder), passphrase=passphrase, now=MANIFEST_DAY)

    inside = inspect(row, folder, MANIFEST_DAY)
    assert replace(outside, private_key=None) == replace(inside, private_key=None)
    assert (outside.private_key is None) == (inside.private_key is None)


@each_sample
def test_the_command_says_the_same(row: dict[str, str], folder: Path, tmp_path: Path) -> None:
    """Through `inspect_bundle` itself: files from disk, a passphrase file, the limited child, JSON and exit code."""
    options: dict[str, Any] = {"json": True}
    if row["password"] != "(none)":
        options["passphrase_file"] = tmp_path / "passphrase"
        options["passphrase_file"].write_text(row["password"].removeprefix("(empty)"))
    files = [str(folder / row["id"] / file.name) for file in sample_files(row, folder)]
    out, status = StringIO(), 0
    with time_machine.travel(MANIFEST_DAY):
        try:
            call_command("inspect_bundle", *files, stdout=out, **options)
        except SystemExit as end:
            status = int(end.code or 0)

    inspection = inspect(row, folder, MANIFEST_DAY)
    assert json.loads(out.getvalue()) == json.loads(json.dumps(inspection_as_json(inspection)))
    assert status == (0 if inspection.importable() else 1)


def test_the_differences_name_real_samples() -> None:
    assert set(DIFFERENT) <= {row["id"] for row in ROWS}


@pytest.mark.parametrize(
    ("sample", "warning", "code"),
    [
        ("badssl-client-pem-2", "issuer_not_in_upload", "missing_intermediate"),
        ("boringssl-p12-nss", "legacy_encryption", "legacy_encryption"),
        ("boringssl-p12-nss", "self_signed", "self_signed_leaf"),
        ("gnutls-p12-noclient", "legacy_encryption", "legacy_encryption"),
        ("key-rsa-40bitrc2", "legacy_encryption", "legacy_encryption"),
        ("netty-mutual-client", "legacy_encryption", "legacy_encryption"),
    ],
)
def test_the_manifests_warnings_are_findings(sample: str, warning: str, code: str, folder: Path) -> None:
    row = next(row for row in ROWS if row["id"] == sample)

    assert warning in row["warnings"]
    assert code in codes(inspect(row, folder, MANIFEST_DAY))
