"""Every way people send a certificate with its key ends in the same client certificate, or in one clear sentence."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    pkcs7,
    pkcs12,
)

from certificates.errors import BundleError
from certificates.pki.decoding import read_certificates
from certificates.pki.inspection import UploadedFile
from tests.certificates.pki.uploads import codes, error_code, inspect
from tests.pki import CA, Issued, pem

PASSPHRASE = b"correct horse"


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA.root().intermediate("Upper CA", path_length=1).intermediate("Lower CA")


@pytest.fixture(scope="module")
def issued(ca: CA) -> Issued:
    return ca.issue("client.example", san=("client.example", "192.0.2.1", "bot@client.example"))


def der(issued: Issued) -> list[bytes]:
    return [certificate.public_bytes(Encoding.DER) for certificate in (issued.certificate, *issued.chain)]


def sec1(issued: Issued, encoding: Encoding = Encoding.PEM) -> bytes:
    return issued.private_key.private_bytes(encoding, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def pkcs8(issued: Issued, encoding: Encoding) -> bytes:
    return issued.private_key.private_bytes(encoding, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))


def wide(content: bytes) -> bytes:
    """PEM with everything in one line."""
    lines = content.decode().split("\n")
    joined = "".join(line if not line.startswith("-----") else f"\n{line}\n" for line in lines)
    return joined.encode()


def both(issued: Issued) -> bytes:
    return issued.key_pem + issued.chain_pem


SHAPES: dict[str, Callable[[Issued], list[bytes]]] = {
    "PEM pile": lambda issued: [both(issued)],
    "key last": lambda issued: [issued.chain_pem + issued.key_pem],
    "a file each": lambda issued: [issued.key_pem, *(pem([item]) for item in (issued.certificate, *issued.chain))],
    "reversed": lambda issued: [pem([*reversed(issued.chain), issued.certificate]), issued.key_pem],
    "DER": lambda issued: [*der(issued), issued.key_pkcs8_der],
    "DER with a trailing newline": lambda issued: [*(item + b"\n" for item in der(issued)), issued.key_pkcs8_der],
    "SEC1 PEM": lambda issued: [sec1(issued), issued.chain_pem],
    "SEC1 DER": lambda issued: [sec1(issued, Encoding.DER), issued.chain_pem],
    "encrypted PKCS#8 PEM": lambda issued: [pkcs8(issued, Encoding.PEM), issued.chain_pem],
    "encrypted PKCS#8 DER": lambda issued: [pkcs8(issued, Encoding.DER), issued.chain_pem],
    "traditional encryption": lambda issued: [issued.key_pem_with(PASSPHRASE, traditional=True), issued.chain_pem],
    "PKCS#12": lambda issued: [issued.p12(PASSPHRASE)],
    "PKCS#12 without passphrase": lambda issued: [issued.p12(b"")],
    "PKCS#7 PEM": lambda issued: [
        issued.key_pem,
        pkcs7.serialize_certificates([issued.certificate, *issued.chain], Encoding.PEM),
    ],
    "PKCS#7 DER": lambda issued: [
        issued.key_pem,
        pkcs7.serialize_certificates([*issued.chain, issued.certificate], Encoding.DER),
    ],
    "bare base64": lambda issued: [issued.key_pem, *(base64.encodebytes(item) for item in der(issued))],
    "CRLF": lambda issued: [both(issued).replace(b"\n", b"\r\n")],
    "old Macintosh": lambda issued: [both(issued).replace(b"\n", b"\r")],
    "byte order mark": lambda issued: [b"\xef\xbb\xbf" + both(issued)],
    "UTF-16": lambda issued: [both(issued).decode().encode("utf-16")],
    "UTF-16 without mark": lambda issued: [both(issued).decode().encode("utf-16-le")],
    "UTF-16 big endian": lambda issued: [both(issued).decode().encode("utf-16-be")],
    "indented": lambda issued: [both(issued).replace(b"\n", b"\n    ")],
    "trailing blanks": lambda issued: [both(issued).replace(b"\n", b"  \n")],
    "long lines": lambda issued: [wide(both(issued))],
    "text around": lambda issued: [
        b"Bag Attributes\n    friendlyName: Gr\xfc\xdfe\n"
        + issued.key_pem
        + b"subject=/CN=x\n\xff\xfe"
        + issued.chain_pem
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_client_certificate(shape: str, issued: Issued) -> None:
    inspection = inspect(*SHAPES[shape](issued), passphrase=PASSPHRASE)

    assert inspection.error is None
    assert inspection.leaf is not None
    assert inspection.private_key is not None
    assert inspection.importable()
    assert inspection.leaf.der == issued.der
    assert [facts.der for facts in inspection.intermediates] == der(issued)[1:]
    key = load_der_private_key(inspection.private_key.reveal(), None)
    assert key.public_key() == issued.certificate.public_key()


def test_the_facts_of_the_leaf(issued: Issued) -> None:
    leaf = inspect(both(issued)).leaf

    assert leaf is not None
    assert leaf.subject == "CN=client.example,O=Console tests"
    assert leaf.issuer == "CN=Lower CA,O=Console tests"
    assert (leaf.key_type, leaf.key_bits) == ("ec-p256", 256)
    assert leaf.eku == ("clientAuth",)
    assert leaf.san == ("client.example", "192.0.2.1", "bot@client.example")
    assert leaf.signature_algorithm == "ecdsa-with-sha256"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rsa-2048", ("rsa", 2048)),
        ("ec-p384", ("ec-p384", 384)),
        ("ed25519", ("ed25519", 256)),
        ("ed448", ("ed448", 456)),
    ],
)
def test_every_kind_of_key_tls_uses_is_read(kind: str, expected: tuple[str, int], ca: CA) -> None:
    inspection = inspect(both(ca.issue(key=kind)))

    assert inspection.importable()
    assert inspection.leaf is not None
    assert (inspection.leaf.key_type, inspection.leaf.key_bits) == expected


def test_an_rsa_key_too_large_to_prove_prime_proves_itself_by_a_signature(
    monkeypatch: pytest.MonkeyPatch, ca: CA
) -> None:
    monkeypatch.setattr("certificates.pki.limits.MAX_RSA_BITS_PROVED_PRIME", 1024)

    assert inspect(both(ca.issue(key="rsa-2048"))).importable()


def test_any_order_of_the_files_is_the_same(ca: CA, issued: Issued) -> None:
    files = [issued.key_pem, *(pem([item]) for item in (issued.certificate, *issued.chain)), pem([ca.above[-1]])]
    leaf_first = [issued.der, *der(issued)[1:], ca.above[-1].public_bytes(Encoding.DER)]

    for order in itertools.permutations(files):
        inspection = inspect(*order)
        assert inspection.leaf is not None
        assert inspection.root is not None
        assert [facts.der for facts in (inspection.leaf, *inspection.intermediates, inspection.root)] == leaf_first


def test_the_root_is_set_apart_and_not_in_the_chain(issued: Issued) -> None:
    inspection = inspect(issued.p12(PASSPHRASE, include_root=True), passphrase=PASSPHRASE)

    assert inspection.root is not None
    assert inspection.root.subject == "CN=Test root,O=Console tests"
    assert len(inspection.intermediates) == 2
    assert "root_included" in codes(inspection)


# --- Passphrases -----------------------------------------------------------------------------------------------------

LOCKED: dict[str, Callable[[Issued], bytes]] = {
    "PKCS#12": lambda issued: issued.p12(PASSPHRASE),
    "PKCS#8 PEM": lambda issued: issued.chain_pem + pkcs8(issued, Encoding.PEM),
    "PKCS#8 DER": lambda issued: pkcs8(issued, Encoding.DER),
    "traditional": lambda issued: issued.chain_pem + issued.key_pem_with(PASSPHRASE, traditional=True),
}


def test_a_protected_pile_for_a_trust_store_asks_for_no_passphrase(issued: Issued) -> None:
    with pytest.raises(BundleError, match="export the certificates alone") as refused:
        read_certificates([UploadedFile("roots.p12", issued.p12(PASSPHRASE))])
    assert refused.value.code == "unsupported_format"


@pytest.mark.parametrize("shape", LOCKED)
@pytest.mark.parametrize(
    ("passphrase", "code"),
    [
        (None, "passphrase_required"),
        (b"", "passphrase_required"),
        (b"wrong", "passphrase_wrong"),
        ("pässwort".encode("latin-1"), "passphrase_wrong"),
    ],
)
def test_a_missing_and_a_wrong_passphrase_are_told_apart(
    shape: str, passphrase: bytes | None, code: str, issued: Issued
) -> None:
    inspection = inspect(LOCKED[shape](issued), passphrase=passphrase)

    assert error_code(inspection) == code
    assert inspection.error is not None
    assert inspection.error.file == "file-1"
    assert inspection.private_key is None


def test_one_passphrase_serves_every_file(ca: CA, issued: Issued) -> None:
    trust = pkcs12.serialize_key_and_certificates(
        None, None, None, [ca.certificate, *ca.above], BestAvailableEncryption(PASSPHRASE)
    )

    inspection = inspect(pkcs8(issued, Encoding.PEM), issued.cert_pem, trust, passphrase=PASSPHRASE)

    assert inspection.importable()
    assert len(inspection.intermediates) == 2


def test_a_passphrase_that_is_not_needed_is_no_error(issued: Issued) -> None:
    assert inspect(both(issued), passphrase=PASSPHRASE).importable()


# --- Trust stores ----------------------------------------------------------------------------------------------------


def test_trust_stores_take_certificates_once_and_leave_keys_unopened(ca: CA, issued: Issued) -> None:
    files = [UploadedFile("ca.pem", ca.chain_pem + ca.pem + pkcs8(issued, Encoding.PEM))]

    facts = read_certificates(files)

    assert [item.subject for item in facts] == [
        "CN=Lower CA,O=Console tests",
        "CN=Upper CA,O=Console tests",
        "CN=Test root,O=Console tests",
    ]


@pytest.mark.parametrize(("content", "code"), [(CA.root().crl_pem(), "unsupported_format"), (b"hello", "malformed")])
def test_trust_stores_say_what_is_wrong(content: bytes, code: str) -> None:
    with pytest.raises(BundleError) as caught:
        read_certificates([UploadedFile("ca.pem", content)])

    assert caught.value.code == code


def test_a_key_is_no_trust_store(issued: Issued) -> None:
    with pytest.raises(BundleError) as caught:
        read_certificates([UploadedFile("ca.pem", issued.key_pem)])

    assert caught.value.code == "no_certificate"
