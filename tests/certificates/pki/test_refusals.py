"""What cannot be imported is refused by one clear sentence; what is only in the way is passed over by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asn1crypto import core
from asn1crypto import pkcs12 as structure
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509 import CertificateSigningRequestBuilder, Name

from certificates.errors import BundleError
from certificates.pki.decoding import inspect_files, inspect_reply, read_certificates
from certificates.pki.inspection import UploadedFile
from tests.certificates.pki.uploads import error_code, ignored, inspect
from tests.pki import CA, Issued

PASSPHRASE = b"correct horse"


@pytest.fixture(scope="module")
def ca() -> CA:
    return CA.root().intermediate("Upper CA", path_length=1).intermediate("Lower CA")


@pytest.fixture(scope="module")
def issued(ca: CA) -> Issued:
    return ca.issue("client.example", san=("client.example", "192.0.2.1", "bot@client.example"))


def both(issued: Issued) -> bytes:
    return issued.key_pem + issued.chain_pem


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


REPLY = "upload the certificate that the CA sent back, as PEM, DER or PKCS#7."
ROOTS = "upload the CA’s certificates, as PEM, DER or PKCS#7."


@pytest.mark.parametrize("advice", sorted(set(FOREIGN) - {"unpack"}))
def test_who_has_a_reply_or_a_trust_store_is_asked_for_certificates_and_for_no_key(advice: str) -> None:
    for content in FOREIGN[advice]:
        for told, wanted in ((refused_reply(content), REPLY), (refused_roots(content), ROOTS)):
            assert told.endswith(wanted)
            assert "private key" not in told


def refused_reply(content: bytes) -> str:
    files = [UploadedFile("sent.pem", content)]
    read = inspect_reply(files, open_keys=frozenset(), past_keys=frozenset(), now=datetime.now(UTC))
    assert read.error is not None
    return read.error.text


def refused_roots(content: bytes) -> str:
    with pytest.raises(BundleError) as refused:
        read_certificates([UploadedFile("sent.pem", content)])
    return refused.value.text


def test_a_reply_under_a_passphrase_or_with_the_request_itself(ca: CA) -> None:
    told = refused_reply(ca.issue().p12(b"open sesame"))
    assert told.startswith(f"sent.pem is protected by a passphrase, and a CA’s reply holds nothing secret: {REPLY}")
    assert told.endswith("A file with its own private key is imported instead.")
    assert refused_reply(CSR) == f"sent.pem is a certificate signing request (CSR), which goes to the CA: {REPLY}"
    assert refused_reply(ca.issue().key_pem) == f"The files hold no certificate: {REPLY}"


def fits_by_chance(encrypted: bytes) -> bytes:
    """A wrong passphrase under which the padding is right, as under one of 256."""
    for number in range(10_000):
        passphrase = b"wrong-%d" % number
        with pytest.raises(ValueError, match=r"password|ASN\.1") as failed:
            load_der_private_key(encrypted, passphrase)
        if "password" not in str(failed.value):
            return passphrase
    raise LookupError("none fits")


def test_a_wrong_passphrase_is_called_so_whatever_comes_out(issued: Issued) -> None:
    parts = structure.Pfx.load(pile := issued.p12(b"right")).authenticated_safe
    contents = [part["content"].native for part in parts if part["content_type"].native == "data"]
    bags = [bag for content in contents for bag in structure.SafeContents.load(content)]
    shrouded = next(bag["bag_value"].untag().dump() for bag in bags if "shrouded" in bag["bag_id"].native)
    assert error_code(inspect(pile, passphrase=fits_by_chance(shrouded))) == "passphrase_wrong"


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
