"""The demo bank's certificates, made at run time into one folder (mode 0600) and re-made before they expire.

The keys of the certification authorities are thrown away after signing: nobody can issue more in their name.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSPHRASE = b"demo-passphrase"  # documented in README.md: it guards nothing but a demo key in a 0600 file
LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)
BACKDATE = dt.timedelta(days=1)
LONG_AGO = dt.timedelta(days=90)
LOCAL_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Material:
    """Where the files of the demo bank are."""

    folder: Path

    @property
    def server(self) -> Path:
        """Key, leaf and intermediate of the bank's servers, PEM."""
        return self.folder / "server.pem"

    @property
    def expired_server(self) -> Path:
        """The same with a certificate that has expired, PEM."""
        return self.folder / "server-expired.pem"

    @property
    def bank_ca(self) -> Path:
        """The bank's root: trusts it whoever calls the bank, and it signs the clients' certificates. PEM."""
        return self.folder / "demo-bank-ca.pem"

    @property
    def other_ca(self) -> Path:
        """The root of another bank, which never signed anything of ours. PEM."""
        return self.folder / "other-bank-ca.pem"

    @property
    def client(self) -> Path:
        """What the bank “mailed”: key, certificate and chain as PKCS#12, under `PASSPHRASE`."""
        return self.folder / "acme-client.p12"

    @property
    def passphrase(self) -> Path:
        """The passphrase of `client`, for `--passphrase-file`."""
        return self.folder / "acme-client.passphrase"

    @property
    def stamp(self) -> Path:
        """When the certificates expire (ISO 8601). Written last: without it the folder is incomplete."""
        return self.folder / "valid-until.txt"


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_material(folder: Path, *, now: dt.datetime) -> Material:
    """Make the certificates unless the folder holds complete ones that are valid for another month. `now` is aware."""
    material = Material(folder)
    if not _is_fresh(material, now):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        material.stamp.unlink(missing_ok=True)
        _make(material, now)
    return material


def _is_fresh(material: Material, now: dt.datetime) -> bool:
    wanted = (material.server, material.expired_server, material.bank_ca, material.other_ca)
    if not all(path.is_file() for path in (*wanted, material.client, material.passphrase, material.stamp)):
        return False
    try:
        valid_until = dt.datetime.fromisoformat(material.stamp.read_text().strip())
        return now + RENEW_BEFORE < valid_until
    except (ValueError, TypeError):  # not a date, or one without a time zone
        return False


def _make(material: Material, now: dt.datetime) -> None:
    root = _authority("Demo Bank root CA", None, now)
    issuing = _authority("Demo Bank issuing CA", root, now)
    other = _authority("Other Bank root CA", None, now)
    server_key = ec.generate_private_key(ec.SECP256R1())
    client_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    server = _leaf("localhost", server_key, issuing, LOCAL_NAMES, (now - BACKDATE, now + LIFETIME))
    expired = _leaf("localhost", server_key, issuing, LOCAL_NAMES, (now - LONG_AGO, now - BACKDATE))
    name = x509.DNSName("assistant.acme.example")
    client = _leaf("acme-bank-assistant", client_key, issuing, (name,), (now - BACKDATE, now + LIFETIME))
    _write(material.server, _pem(server_key, server, issuing.certificate))
    _write(material.expired_server, _pem(server_key, expired, issuing.certificate))
    _write(material.bank_ca, _pem(None, root.certificate))
    _write(material.other_ca, _pem(None, other.certificate))
    _write(material.passphrase, PASSPHRASE + b"\n")
    bundle = pkcs12.serialize_key_and_certificates(
        b"acme-bank-assistant",
        client_key,
        client,
        [issuing.certificate, root.certificate],
        serialization.BestAvailableEncryption(PASSPHRASE),
    )
    _write(material.client, bundle)
    _write(material.stamp, (now + LIFETIME).isoformat().encode() + b"\n")


def _authority(common_name: str, issuer: _Issuer | None, now: dt.datetime) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(common_name, key, issuer, (now - BACKDATE, now + LIFETIME))
    usage = _key_usage(digital_signature=False, authority=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return _Issuer(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _leaf(
    common_name: str,
    key: PrivateKey,
    issuer: _Issuer,
    names: Iterable[x509.GeneralName],
    validity: tuple[dt.datetime, dt.datetime],
) -> x509.Certificate:
    use = ExtendedKeyUsageOID.SERVER_AUTH if common_name == "localhost" else ExtendedKeyUsageOID.CLIENT_AUTH
    return (
        _builder(common_name, key, issuer, validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(
    common_name: str, key: PrivateKey, issuer: _Issuer | None, validity: tuple[dt.datetime, dt.datetime]
) -> x509.CertificateBuilder:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Bank (demo)"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    issuer_key = issuer.key if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _key_usage(*, digital_signature: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | None, *certificates: x509.Certificate) -> bytes:
    parts = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates]
    if key is not None:
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        parts.insert(0, key.private_bytes(encoding, form, serialization.NoEncryption()))
    return b"".join(parts)


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)  # an older file might have a wider mode
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
