"""What the readers of one upload fill together: certificates and keys found, what was passed over, what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509

from certificates.errors import BundleError
from certificates.pki import limits
from certificates.pki.credential import PrivateKey
from certificates.pki.facts import facts_of
from certificates.pki.findings import ErrorCode, IgnoredWhy
from certificates.pki.inspection import CertificateFacts, Ignored


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

    With `wants_keys` False (trust stores) private keys are passed over unopened.
    """

    passphrase: bytes | None = field(repr=False, default=None)
    wants_keys: bool = True
    max_certificates: int = limits.MAX_PILE_CERTIFICATES
    certificates: list[FoundCertificate] = field(default_factory=list)
    keys: list[FoundKey] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    legacy: list[str] = field(default_factory=list)  # names of files protected by outdated encryption
    hints: list[BundleError] = field(default_factory=list)  # said when nothing usable was found at all
    iterations: int = 0

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

    def pass_over(self, what: str, file: str, advice: str | None = None) -> None:
        """Note something that is neither certificate nor key; `advice` is the error text if nothing else is found."""
        self.ignored.append(Ignored(what=f"{what} in {file}", why=IgnoredWhy.NOT_A_CERTIFICATE))
        if advice:
            self.hints.append(BundleError(ErrorCode.UNSUPPORTED_FORMAT, f"{file} {advice}", file=file))


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
