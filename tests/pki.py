"""A certificate authority made at run time, for tests: nothing is checked in, so nothing expires in the repository.

    root = CA.root()
    leaf = root.intermediate("Test issuing CA").issue("bot.example")
    leaf.chain_pem, leaf.key_pem, leaf.p12(b"passphrase")

Everything that a real authority would refuse to make is reachable through overrides (see `CA.issue`).
Keys: `ec-p256`, `ec-p384`, `ec-p521`, `ed25519`, `ed448`, `rsa-1024` … `rsa-4096`. RSA keys come from a small pool
per process, because making them is slow; pass `private_key` where two certificates must differ or share one.
"""

from __future__ import annotations

import inspect
import ipaddress
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asn1crypto.x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certificates.pki.credential import Credential, PrivateKey

EKU_OIDS = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "anyExtendedKeyUsage": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
CURVES: dict[str, ec.EllipticCurve] = {"ec-p256": ec.SECP256R1(), "ec-p384": ec.SECP384R1(), "ec-p521": ec.SECP521R1()}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
OUTDATED_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - made to be refused
    "md5": hashes.MD5(),  # noqa: S303 - made to be refused; RSA authorities only
}
POOL_SIZE = 4
_pools: dict[int, list[rsa.RSAPrivateKey]] = {}
_turns = itertools.count()


def make_key(kind: str) -> PrivateKey:
    """A private key of the given kind; RSA keys are taken in turn from a pool of four per size."""
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "ed448":
        return ed448.Ed448PrivateKey.generate()
    family, _, bits = kind.partition("-")
    if family != "rsa":
        raise ValueError(kind)
    pool = _pools.setdefault(int(bits), [])
    if len(pool) < POOL_SIZE:
        pool.append(rsa.generate_private_key(public_exponent=65537, key_size=int(bits)))
        return pool[-1]
    return pool[next(_turns) % POOL_SIZE]


def distinguished_name(common_name: str, **more: str) -> x509.Name:
    """`O=Console tests, CN=…`; an empty common name gives an empty name."""
    if not common_name:
        return x509.Name([])
    organisation = more.get("organisation", "Console tests")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def general_name(text: str) -> x509.GeneralName:
    """An IP address, an e-mail address, a URI or a DNS name, told apart by its spelling."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)


def usual_key_usage(*, ca: bool) -> x509.KeyUsage:
    """The usual key usage of an authority, or of an end entity."""
    return _key_usage(*(("key_cert_sign", "crl_sign") if ca else ("digital_signature",)))


def may_not_sign() -> x509.KeyUsage:
    """Of a key that others encrypt for."""
    return _key_usage("key_encipherment")


def _key_usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in allowed for name in inspect.signature(x509.KeyUsage).parameters})


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """The certificates as one PEM pile."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


@dataclass(frozen=True)
class Issued:
    """An end-entity certificate with its private key. `chain` holds the intermediates in sending order."""

    certificate: x509.Certificate
    private_key: PrivateKey
    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate | None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def cert_pem(self) -> bytes:
        return pem([self.certificate])

    @property
    def chain_pem(self) -> bytes:
        """Leaf and intermediates, without the root."""
        return pem([self.certificate, *self.chain])

    @property
    def key_pem(self) -> bytes:
        """PKCS#8, not encrypted."""
        return self.key_pem_with()

    def key_pem_with(self, passphrase: bytes | None = None, *, traditional: bool = False) -> bytes:
        """The key as PEM: PKCS#8 or the traditional form, encrypted if there is a passphrase."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(passphrase)
        form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
        return self.private_key.private_bytes(serialization.Encoding.PEM, form, encryption)

    @property
    def key_pkcs8_der(self) -> bytes:
        return self.private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def p12(self, password: bytes, *, include_root: bool = False, name: bytes = b"test") -> bytes:
        """A PKCS#12 file as banks mail them; an empty password leaves it unencrypted."""
        others = [*self.chain, *([self.root] if include_root and self.root else [])]
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password)
        return pkcs12.serialize_key_and_certificates(name, self.private_key, self.certificate, others, encryption)

    def credential(
        self, *, label: str | None = None, version: int | None = None, with_chain: bool = True
    ) -> Credential:
        """Ready to present; `with_chain=False` leaves the intermediates out."""
        spki = self.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(spki)
        return Credential(
            leaf=self.certificate,
            chain=self.chain if with_chain else (),
            private_key=self.private_key,
            spki_sha256=digest.finalize().hex(),
            label=label,
            version=version,
        )


@dataclass(frozen=True)
class CA:
    """An authority. `above` are the authorities over it, nearest first, down to the root (empty for a root)."""

    certificate: x509.Certificate
    private_key: PrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, name: str = "Test root", key: str = "ec-p256", **overrides: Any) -> CA:
        """A self-signed authority, valid for ten years around now. Overrides as in `issue`."""
        private_key: PrivateKey = overrides.pop("private_key", None) or make_key(key)
        subject = overrides.pop("subject", None) or distinguished_name(name)
        overrides.setdefault("is_ca", True)
        return cls(_build(subject, private_key, subject, private_key, None, **_long_lived(overrides)), private_key)

    def intermediate(
        self, name: str = "Test issuing CA", key: str = "ec-p256", *, path_length: int | None = 0, **overrides: Any
    ) -> CA:
        """An authority under this one; its path length is 0 unless said otherwise."""
        private_key: PrivateKey = overrides.pop("private_key", None) or make_key(key)
        subject = overrides.pop("subject", None) or distinguished_name(name)
        overrides.setdefault("is_ca", True)
        certificate = _build(
            subject,
            private_key,
            self.certificate.subject,
            self.private_key,
            self.certificate,
            path_length=path_length,
            **_long_lived(overrides),
        )
        return CA(certificate, private_key, (self.certificate, *self.above))

    def issue(
        self,
        common_name: str = "client.example",
        *,
        key: str = "ec-p256",
        eku: Sequence[str] | None = ("clientAuth",),
        san: Sequence[str] = (),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        **overrides: Any,
    ) -> Issued:
        """An end-entity certificate, by default valid from an hour ago for 90 days.

        Overrides: `private_key`, `public_key` (of a CSR), `subject`, `issuer` (another name than ours),
        `signature_hash` ("sha1", …), `is_ca` (True, False; None leaves basicConstraints out), `path_length`,
        `key_usage` (an `x509.KeyUsage`; None leaves it out), `name_constraints`, `serial`,
        `extensions` (pairs of extension and criticality), `aki` (False leaves it out).
        """
        private_key: PrivateKey = overrides.pop("private_key", None) or make_key(key)
        subject = overrides.pop("subject", None) or distinguished_name(common_name)
        issuer = overrides.pop("issuer", None) or self.certificate.subject
        certificate = _build(
            subject,
            private_key,
            issuer,
            self.private_key,
            self.certificate,
            eku=eku,
            san=san,
            not_before=not_before,
            not_after=not_after,
            **overrides,
        )
        chain = (self.certificate, *self.above[:-1]) if self.above else ()
        return Issued(certificate, private_key, chain, self.above[-1] if self.above else self.certificate)

    def expired(self, common_name: str = "expired.example", **overrides: Any) -> Issued:
        """Its last day was yesterday."""
        now = datetime.now(UTC)
        return self.issue(
            common_name, not_before=now - timedelta(days=90), not_after=now - timedelta(days=1), **overrides
        )

    def not_yet_valid(self, common_name: str = "future.example", **overrides: Any) -> Issued:
        """Its first day is tomorrow."""
        now = datetime.now(UTC)
        return self.issue(
            common_name, not_before=now + timedelta(days=1), not_after=now + timedelta(days=90), **overrides
        )

    @property
    def pem(self) -> bytes:
        """This authority's own certificate."""
        return pem([self.certificate])

    @property
    def chain_pem(self) -> bytes:
        """This authority and those above it, the root included."""
        return pem([self.certificate, *self.above])

    def crl(
        self, revoked: Iterable[Issued | x509.Certificate] = (), *, next_update: datetime | None = None
    ) -> x509.CertificateRevocationList:
        """A revocation list signed by this authority, fresh for 30 days unless `next_update` says otherwise."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject,
            last_update=now - timedelta(hours=1),
            next_update=next_update or now + timedelta(days=30),
        )
        for item in revoked:
            serial = (item.certificate if isinstance(item, Issued) else item).serial_number
            entry = x509.RevokedCertificateBuilder(serial, now - timedelta(minutes=30))
            builder = builder.add_revoked_certificate(entry.build())
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.certificate.public_key())  # type: ignore[arg-type]
        builder = builder.add_extension(aki, critical=False).add_extension(x509.CRLNumber(1), critical=False)
        return builder.sign(self.private_key, _hash_for(self.private_key, "sha256"))

    def crl_pem(self, revoked: Iterable[Issued | x509.Certificate] = (), **options: Any) -> bytes:
        """The revocation list as PEM."""
        return self.crl(revoked, **options).public_bytes(serialization.Encoding.PEM)


def self_signed(common_name: str = "self-signed.example", *, key: str = "ec-p256", **overrides: Any) -> Issued:
    """An end-entity certificate that signed itself."""
    private_key: PrivateKey = overrides.pop("private_key", None) or make_key(key)
    subject = overrides.pop("subject", None) or distinguished_name(common_name)
    overrides.setdefault("eku", ("clientAuth",))
    certificate = _build(subject, private_key, subject, private_key, None, **overrides)
    return Issued(certificate, private_key, (), None)


def _long_lived(overrides: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"not_before": now - timedelta(days=1825), "not_after": now + timedelta(days=1825), **overrides}


def _hash_for(key: PrivateKey, name: str) -> Any:
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return None  # EdDSA brings its own hash
    return HASHES[name]


def _build(
    subject: x509.Name,
    private_key: PrivateKey,
    issuer: x509.Name,
    signing_key: PrivateKey,
    issuer_certificate: x509.Certificate | None,
    *,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
    signature_hash: str = "sha256",
    serial: int | None = None,
    public_key: Any = None,
    **extensions: Any,
) -> x509.Certificate:
    now = datetime.now(UTC)
    public_key = public_key or private_key.public_key()
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public_key,
        serial_number=serial or x509.random_serial_number(),
        not_valid_before=not_before or now - timedelta(hours=1),
        not_valid_after=not_after or now + timedelta(days=90),
    )
    for extension, critical in _extensions(public_key, signing_key, issuer_certificate, **extensions):
        builder = builder.add_extension(extension, critical)
    if signature_hash in OUTDATED_HASHES:
        return _sign_again(builder.sign(signing_key, hashes.SHA256()), signing_key, signature_hash)
    return builder.sign(signing_key, _hash_for(signing_key, signature_hash))


def _sign_again(certificate: x509.Certificate, signing_key: PrivateKey, outdated_hash: str) -> x509.Certificate:
    """cryptography does not sign certificates with these hashes any more, so the signature is replaced by hand."""
    parsed = asn1crypto.x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    algorithm = OUTDATED_HASHES[outdated_hash]
    family = "rsa" if isinstance(signing_key, rsa.RSAPrivateKey) else "ecdsa"
    identifier = {"algorithm": f"{outdated_hash}_{family}"}
    parsed["tbs_certificate"]["signature"] = identifier
    parsed["signature_algorithm"] = identifier
    to_sign = parsed["tbs_certificate"].dump(force=True)
    if isinstance(signing_key, rsa.RSAPrivateKey):
        parsed["signature_value"] = signing_key.sign(to_sign, padding.PKCS1v15(), algorithm)
    else:
        assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
        parsed["signature_value"] = signing_key.sign(to_sign, ec.ECDSA(algorithm))
    return x509.load_der_x509_certificate(parsed.dump(force=True))


def _extensions(
    public_key: Any,
    signing_key: PrivateKey,
    issuer_certificate: x509.Certificate | None,
    *,
    is_ca: bool | None = False,
    path_length: int | None = None,
    eku: Sequence[str] | None = None,
    san: Sequence[str] = (),
    key_usage: x509.KeyUsage | str | None = "usual",
    name_constraints: x509.NameConstraints | None = None,
    aki: bool = True,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> list[tuple[x509.ExtensionType, bool]]:
    made: list[tuple[x509.ExtensionType, bool]] = [(x509.SubjectKeyIdentifier.from_public_key(public_key), False)]
    if aki and issuer_certificate is not None:
        made.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False))
    if is_ca is not None:
        made.append((x509.BasicConstraints(ca=is_ca, path_length=path_length if is_ca else None), True))
    if isinstance(key_usage, str):
        made.append((usual_key_usage(ca=bool(is_ca)), True))
    elif key_usage is not None:
        made.append((key_usage, True))
    if eku is not None:
        made.append((x509.ExtendedKeyUsage([_eku_oid(name) for name in eku]), False))
    if san:
        made.append((x509.SubjectAlternativeName([general_name(name) for name in san]), False))
    if name_constraints is not None:
        made.append((name_constraints, True))
    return [*made, *extensions]


def _eku_oid(name: str) -> ObjectIdentifier:
    return EKU_OIDS[name] if name in EKU_OIDS else ObjectIdentifier(name)
