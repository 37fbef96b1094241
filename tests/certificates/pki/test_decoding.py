"""Every way people send a certificate with its key ends in the same client certificate, or in one clear sentence."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from asn1crypto import core
from asn1crypto import pkcs12 as structure
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    pkcs7,
    pkcs12,
)
from cryptography.x509 import CertificateSigningRequestBuilder, Name

from certificates.errors import BundleError
from certificates.pki.decoding import inspect_files, read_certificates
from certificates.pki.inspection import UploadedFile
from tests.certificates.pki.uploads import codes, error_code, ignored, inspect
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


@pytest.mark.parametrize("shape", LOCKED)
@pytest.mark.parametrize(
    ("passphrase", "code"),
    [
        (None, "passphrase_required"),
        (b"", "passphrase_required"),
        (b"wrong", "passphrase_wrong"),
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


# --- What does not make a client certificate -------------------------------------------------------------------------


def test_only_a_key(issued: Issued) -> None:
    assert error_code(inspect(issued.key_pem)) == "no_certificate"


def test_only_certificates_still_shows_them(issued: Issued) -> None:
    inspection = inspect(issued.chain_pem)

    assert error_code(inspection) == "no_private_key"
    assert inspection.leaf is not None
    assert inspection.leaf.der == issued.der


def test_a_key_of_another_certificate(ca: CA, issued: Issued) -> None:
    inspection = inspect(issued.chain_pem, ca.issue("other.example").key_pem)

    assert error_code(inspection) == "key_does_not_match"
    assert inspection.private_key is None


def test_two_complete_client_certificates(ca: CA, issued: Issued) -> None:
    assert error_code(inspect(both(issued), both(ca.issue("other.example")))) == "several_keys"


def test_a_pkcs12_file_with_two_keys(ca: CA, issued: Issued) -> None:
    inspection = inspect(two_keys(issued, ca.issue("other.example")), passphrase=PASSPHRASE)

    assert error_code(inspection) == "several_keys"


def two_keys(first: Issued, second: Issued) -> bytes:
    """The bags of two files in one; its integrity check no longer fits, which is looked at later."""

    def bags(issued: Issued) -> structure.Pfx:
        return structure.Pfx.load(issued.p12(PASSPHRASE))

    one, two = bags(first), bags(second)
    parts = [*one.authenticated_safe, *two.authenticated_safe]
    one["auth_safe"]["content"] = core.OctetString(structure.AuthenticatedSafe(parts).dump())
    return bytes(one.dump(force=True))


def test_an_extra_key_is_passed_over(ca: CA, issued: Issued) -> None:
    inspection = inspect(both(issued), ca.issue("other.example").key_pem)

    assert inspection.importable()
    assert ignored(inspection) == ["extra_key"]


def test_doubled_and_unrelated_certificates_are_passed_over(issued: Issued) -> None:
    inspection = inspect(both(issued), issued.chain_pem, CA.root("Stranger").pem)

    assert inspection.importable()
    assert sorted(ignored(inspection)) == ["duplicate"] * 3 + ["unrelated"]
    assert "Stranger" in inspection.ignored[-1].what


def test_the_renewed_of_two_certificates_for_one_key_is_the_leaf(ca: CA) -> None:
    old = ca.expired("client.example")
    new = ca.issue("client.example", private_key=old.private_key)

    inspection = inspect(old.key_pem, old.cert_pem, new.chain_pem)

    assert inspection.leaf is not None
    assert inspection.leaf.der == new.der
    assert ignored(inspection) == ["unrelated"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00" * 50])
def test_an_empty_file(content: bytes) -> None:
    assert error_code(inspect(content)) == "malformed"


def test_no_file() -> None:
    assert error_code(inspect()) == "no_certificate"


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"-----BEGIN caf\xe9-----\nMIIB\n-----END caf\xe9-----\n",
        b"-----BEGIN TRUSTED CERTIFICATE-----\n\n-----END TRUSTED CERTIFICATE-----\n",
        b"-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----\n",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nMIIB\n-----END RSA PRIVATE KEY-----\n",
        bytes.fromhex("3003020103"),
    ],
)
def test_damaged_files_are_named(content: bytes) -> None:
    inspection = inspect(content)

    assert error_code(inspection) == "malformed"
    assert inspection.error is not None
    assert inspection.error.text.startswith("file-1 ")


def test_a_private_key_whose_halves_do_not_belong_together() -> None:
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    swapped = rsa.RSAPrivateNumbers(
        p=numbers.p + 2,
        q=numbers.q,
        d=numbers.d,
        dmp1=numbers.dmp1,
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=rsa.RSAPublicNumbers(65537, (numbers.p + 2) * numbers.q),
    ).private_key(unsafe_skip_rsa_key_validation=True)
    content = swapped.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    assert error_code(inspect(content)) == "malformed"


def foreign_keys() -> list[object]:
    return [
        dsa.generate_private_key(1024),  # noqa: S505 - made to be refused
        x25519.X25519PrivateKey.generate(),
        x448.X448PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
    ]


def test_keys_tls_cannot_use() -> None:
    for key in foreign_keys():
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
        assert error_code(inspect(content)) == "unsupported_key"


CSR = (
    CertificateSigningRequestBuilder(subject_name=Name([]))
    .sign(ed25519.Ed25519PrivateKey.generate(), None)
    .public_bytes(Encoding.DER)
)
PUBLIC = ed25519.Ed25519PrivateKey.generate().public_key()
FOREIGN = {
    "keytool": [b"\xfe\xed\xfe\xed\x00\x00\x00\x02", b"\xce\xce\xce\xce\x00\x00\x00\x02", b"\x00\x00\x00\x02\x00\x00"],
    "ssh-keygen": [
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
    ],
    "unpack": [b"PK\x03\x04rest", b"\x1f\x8b\x08rest"],
    "JSON": [b'{"type": "service_account"}', b'\xef\xbb\xbf[\n{"a": 1}]'],
    "web page": [b"<!DOCTYPE html><title>Sign in</title>", b"<?xml version='1.0'?><a/>"],
    "PDF": [b"%PDF-1.7"],
    "signing request": [CSR, b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"],
    "public key": [
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        PUBLIC.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    ],
    "revocation": [CA.root().crl_pem(), CA.root().crl().public_bytes(Encoding.DER)],
}


@pytest.mark.parametrize("advice", FOREIGN)
def test_foreign_formats_are_refused_by_name_with_advice(advice: str) -> None:
    for content in FOREIGN[advice]:
        inspection = inspect(content)
        assert error_code(inspection) == "unsupported_format"
        assert inspection.error is not None
        assert advice in inspection.error.text


def test_requests_lists_and_parameters_beside_a_certificate_are_passed_over(ca: CA, issued: Issued) -> None:
    extra = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

    inspection = inspect(extra + both(issued), ca.crl_pem(), CSR)

    assert inspection.importable()
    assert ignored(inspection) == ["not_a_certificate"] * 3


def test_a_hostile_name_is_made_harmless(ca: CA) -> None:
    inspection = inspect(both(ca.issue("evil\x1b[2J\r\n\x00\u202egpj.exe")))

    assert inspection.leaf is not None
    assert inspection.leaf.subject.isprintable()
    assert "\\1b[2J\\0d\\0a\\00" in inspection.leaf.subject


def test_a_hostile_file_name_is_made_harmless() -> None:
    file = UploadedFile("\x1b[2J\u202e" + "x" * 500, b"hello")

    inspection = inspect_files([file], passphrase=None, now=datetime.now(UTC))

    assert inspection.error is not None
    assert inspection.error.text.isprintable()
    assert len(inspection.error.text) < 300


# --- Trust stores ----------------------------------------------------------------------------------------------------


def test_trust_stores_take_certificates_once_and_leave_keys_unopened(ca: CA, issued: Issued) -> None:
    files = [UploadedFile("ca.pem", ca.chain_pem + ca.pem + pkcs8(issued, Encoding.PEM))]

    facts = read_certificates(files)

    assert [item.subject for item in facts] == [
        "CN=Lower CA,O=Console tests",
        "CN=Upper CA,O=Console tests",
        "CN=Test root,O=Console tests",
    ]


@pytest.mark.parametrize(("content", "code"), [(CSR, "unsupported_format"), (b"hello", "malformed")])
def test_trust_stores_say_what_is_wrong(content: bytes, code: str) -> None:
    with pytest.raises(BundleError) as caught:
        read_certificates([UploadedFile("ca.pem", content)])

    assert caught.value.code == code


def test_a_key_is_no_trust_store(issued: Issued) -> None:
    with pytest.raises(BundleError) as caught:
        read_certificates([UploadedFile("ca.pem", issued.key_pem)])

    assert caught.value.code == "no_certificate"
