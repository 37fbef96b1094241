"""What the readers of one upload fill together: certificates and keys found, what was passed over, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from cryptography import x509

from certificates.errors import BundleError
from certificates.pki import limits
from certificates.pki.credential import PrivateKey
from certificates.pki.facts import facts_of
from certificates.pki.findings import ErrorCode, IgnoredWhy
from certificates.pki.inspection import CertificateFacts, Ignored


class Use(Enum):
    """What files are read for. The value completes an advice "<file> is …: <what is wanted>."."""

    IMPORT = "upload the certificate and its private key, as PEM or PKCS#12 (.p12)"
    REPLY = "upload the certificate that the CA sent back, as PEM, DER or PKCS#7"
    TRUST_STORE = "upload the CA’s certificates, as PEM, DER or PKCS#7"


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate whose every field could be decoded, and the name of the file it came from."""

    certificate: x509.Certificate
    file: str
    facts: CertificateFacts


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A checked private key of a kind TLS uses, and the name of the file it came from."""

    key: PrivateKey
    spki: bytes  # DER
    file: str


@dataclass(slots=True)
class Reading:
    """One upload while it is read. `passphrase` serves every encrypted part; empty and None mean none was given.

    But for an import, private keys are passed over unopened.
    """

    passphrase: bytes | None = field(repr=False, default=None)
    use: Use = Use.IMPORT
    max_certificates: int = limits.MAX_PILE_CERTIFICATES
    certificates: list[FoundCertificate] = field(default_factory=list)
    keys: list[FoundKey] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    legacy: list[str] = field(default_factory=list)  # names of files protected by outdated encryption
    hints: list[BundleError] = field(default_factory=list)  # said when nothing usable was found at all
    iterations: int = 0

    @property
    def wants_keys(self) -> bool:
        return self.use is Use.IMPORT

    def spend(self, iterations: int, file: str) -> None:
        """Count key-derivation work before it is done. Raises BundleError `too_expensive` beyond the limit."""
        self.iterations += max(iterations, 0)
        if self.iterations > limits.MAX_KDF_ITERATIONS:
            raise BundleError(
                ErrorCode.TOO_EXPENSIVE,
                f"Opening {file} would take {self.iterations:,} key derivation iterations, more than the limit of "
                f"{limits.MAX_KDF_ITERATIONS:,}: export it again with fewer.",
                file=file,
            )

    def add_certificate(self, certificate: x509.Certificate, file: str) -> None:
        """Keep a certificate. Raises BundleError `too_large` for one too many, `malformed` for a broken field."""
        if len(self.certificates) >= self.max_certificates:
            raise too_many_certificates(self.max_certificates, file)
        self.certificates.append(FoundCertificate(certificate, file, facts_of(certificate, file)))

    def pass_over(self, what: str, file: str, is_what: str) -> None:
        """Note something that is neither certificate nor key; if nothing else is found, `is_what` tells the error."""
        self.ignored.append(Ignored(what=f"{what} in {file}", why=IgnoredWhy.NOT_A_CERTIFICATE))
        text = f"{file} {is_what}: {self.use.value}."
        self.hints.append(BundleError(ErrorCode.UNSUPPORTED_FORMAT, text, file=file))

    def no_certificate(self) -> BundleError:
        """Why nothing of use was found: by what was passed over, if anything was."""
        if self.hints:
            return self.hints[0]
        return BundleError(ErrorCode.NO_CERTIFICATE, f"The files hold no certificate: {self.use.value}.")


def too_many_certificates(limit: int, file: str) -> BundleError:
    return BundleError(
        ErrorCode.TOO_LARGE,
        f"{file} brings the upload to more than {limit} certificates: leave only the ones that belong to this client "
        "certificate.",
        file=file,
    )


def malformed(file: str, reason: str) -> BundleError:
    """`reason` completes the sentence "<file> …"."""
    return BundleError(ErrorCode.MALFORMED, f"{file} {reason}", file=file)
