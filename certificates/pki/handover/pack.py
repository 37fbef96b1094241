"""The pack: the public chain as files, facts of the leaf, lines for servers; as one text and as a zip."""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certificates.pki.chain import is_self_signed
from certificates.pki.display import key_label, serial, short_name
from certificates.pki.facts import harmless, key_of, spki_of
from certificates.pki.handover import names, servers
from certificates.pki.handover.servers import CLIENT_CA, Client, ServerLines

CHECKS = f"""openssl x509 -in leaf.pem -noout -fingerprint -sha256
openssl x509 -in leaf.pem -noout -fingerprint -sha1
openssl x509 -in leaf.pem -noout -serial -subject -issuer -nameopt RFC2253
openssl x509 -in leaf.pem -noout -pubkey | openssl pkey -pubin -outform DER |
  openssl dgst -sha256 -binary | openssl base64
openssl verify -purpose sslclient -CAfile {CLIENT_CA} leaf.pem"""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One fact in one spelling, with the name that people ask for it by."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Pack:
    """The material of one version, without its key. `issuers` in sending order; `root` if it is known."""

    title: str  # `acme/bank, version 3 (active)`
    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()
    root: x509.Certificate | None = None

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """What a server must trust: the root first, then the intermediates; a leaf that signed itself."""
        above = (*((self.root,) if self.root else ()), *reversed(self.issuers))
        return above or ((self.leaf,) if is_self_signed(self.leaf) else ())

    @property
    def missing(self) -> str:
        """What is missing for a server to verify the leaf, and what to do; empty if nothing is."""
        if self.trusted and is_self_signed(self.trusted[0]):
            return ""
        issuer = short_name(harmless((self.trusted or (self.leaf,))[0].issuer.rfc4514_string()))
        return (
            f"The chain in this pack ends below its root: most servers verify a client only up to a root. Get the "
            f"certificate of “{issuer}” from the CA, compare its fingerprint with what the CA publishes, and add it to "
            f"{CLIENT_CA}."
        )

    @property
    def facts(self) -> tuple[Spelling, ...]:
        return (*_names("Subject", self.leaf.subject), *_names("Issuer", self.leaf.issuer), *_of_leaf(self.leaf))

    @property
    def lines(self) -> tuple[ServerLines, ...]:
        """The lines for each server, in the order that people look for them."""
        issuers = [f"intermediate-{number}" for number in range(1, len(self.issuers) + 1)]
        return servers.all_of(
            Client(
                subject=names.rfc2253(self.leaf.subject),
                serial=_serial(self.leaf),
                sha1=hashlib.sha1(_der(self.leaf)).hexdigest(),  # noqa: S324 - a name, not a protection
                spki_pin=_pin(self.leaf),
                depth=len(self.issuers) + 1,
                roots=("root",) if self.root else ("leaf",) if is_self_signed(self.leaf) else (),
                intermediates=tuple(issuers),
            )
        )

    @property
    def text(self) -> str:
        """The whole pack for people, in plain text."""
        width = max(len(fact.label) for fact in self.facts)
        facts = "\n".join(f"{fact.label:<{width}}  {fact.value}" for fact in self.facts)
        lines = "\n\n".join(f"--- {one.server} ---\n{one.text}" for one in self.lines)
        missing = f"\n! {self.missing}\n" if self.missing else ""
        head = f"Client certificate {self.title}\nPublic: it holds no private key.\n{missing}"
        return f"{head}\n{facts}\n\nCheck the files yourself\n{CHECKS}\n\nReady lines\n\n{lines}\n"

    def files(self) -> dict[str, bytes]:
        """By name; the same pack gives the same bytes."""
        found = {"README.txt": self.text.encode(), "chain.pem": _pem([self.leaf, *self.issuers])}
        if self.trusted:
            found[CLIENT_CA] = _pem(self.trusted)
        named = {"leaf": self.leaf, **{f"intermediate-{n}": ca for n, ca in enumerate(self.issuers, start=1)}}
        for name, certificate in {**named, **({"root": self.root} if self.root else {})}.items():
            found |= {f"{name}.pem": _pem([certificate]), f"{name}.der": _der(certificate)}
        return found | {f"servers/{one.file}": one.text.encode() + b"\n" for one in self.lines}

    def zipped(self) -> bytes:
        """The files as a zip. Their date is that of the format's beginning: equal packs are equal bytes."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files().items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
        return target.getvalue()


def _names(what: str, name: x509.Name) -> list[Spelling]:
    spellings = {
        f"{what} (RFC 4514)": harmless(name.rfc4514_string()),
        f"{what} (OpenSSL, one line)": names.oneline(name),
        f"{what} (nginx, HAProxy)": names.rfc2253(name),
    }
    return [Spelling(label, value) for label, value in spellings.items() if value]


def _of_leaf(leaf: x509.Certificate) -> list[Spelling]:
    found = [
        Spelling("Serial (hexadecimal)", serial(f"{leaf.serial_number:x}")),
        Spelling("Serial (openssl -serial)", _serial(leaf)),
        Spelling("Serial (decimal)", str(leaf.serial_number)),
    ]
    for algorithm in ("sha256", "sha1"):
        found += fingerprints(f"SHA-{algorithm.removeprefix('sha')}", hashlib.new(algorithm, _der(leaf)).hexdigest())
    return [
        *found,
        Spelling("SPKI pin (SHA-256, base64)", _pin(leaf)),
        Spelling("Valid from (UTC)", f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%S}"),
        Spelling("Valid until (UTC)", f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S}"),
        Spelling("Key", key_label(*key_of(leaf))),
    ]


def fingerprints(what: str, digest: str) -> list[Spelling]:
    """Upper and lower case, with colons and without."""
    colons = serial(digest)
    return [
        Spelling(f"{what}", colons.upper()),
        Spelling(f"{what}, no colons", digest.upper()),
        Spelling(f"{what}, lower case", colons),
        Spelling(f"{what}, lower, no colons", digest),
    ]


def _serial(leaf: x509.Certificate) -> str:
    """As `openssl x509 -serial` writes it."""
    return serial(f"{leaf.serial_number:x}").replace(":", "").upper()


def _pin(leaf: x509.Certificate) -> str:
    return b64encode(hashlib.sha256(spki_of(leaf)).digest()).decode()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
