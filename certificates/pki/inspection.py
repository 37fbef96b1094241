"""What was found in uploaded files, as values. `certificates.pki.decoding` makes them, every door shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certificates.pki.secret import Secret


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file as it came: its name (for messages only) and its bytes, of unknown format."""

    name: str
    content: bytes = field(repr=False)


class Severity(StrEnum):
    """How much a finding matters. `error` refuses an import unless the caller allows the finding."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement about the material: `code` is of the closed list in `certificates.pki.findings`."""

    code: str
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something in the files that will not be stored, and why (duplicate, unrelated, extra_key, not_a_certificate)."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate as shown and stored. `der` is the whole certificate; hashes are lower-case hexadecimal."""

    der: bytes = field(repr=False)
    subject: str  # RFC 4514
    issuer: str  # RFC 4514
    serial: str  # lower-case hexadecimal without separators
    sha256: str
    spki_sha256: str
    not_before: datetime  # aware UTC
    not_after: datetime  # aware UTC
    key_type: str  # rsa, ec-p256, ec-p384, ec-p521, ed25519, ed448
    key_bits: int
    signature_algorithm: str
    eku: tuple[str, ...] | None  # names such as clientAuth; None: no extension, every use
    san: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InspectionError:
    """Why the files cannot be imported at all; `code` is one of the contract's error codes."""

    code: str
    text: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The outcome of reading a pile of files. `private_key` is PKCS#8 DER and never leaves memory in the clear.

    `intermediates` are in sending order. With an `error` the other fields hold what could be seen all the same.
    """

    leaf: CertificateFacts | None
    private_key: Secret | None
    intermediates: tuple[CertificateFacts, ...]
    root: CertificateFacts | None
    ignored: tuple[Ignored, ...]
    findings: tuple[Finding, ...]
    error: InspectionError | None

    @property
    def refusing(self) -> tuple[str, ...]:
        """Codes of the findings that refuse an import unless each is allowed."""
        return tuple(finding.code for finding in self.findings if finding.severity is Severity.ERROR)

    def importable(self, allowed: frozenset[str] = frozenset()) -> bool:
        """True if an import would go through when the findings in `allowed` are insisted on."""
        return self.error is None and set(self.refusing) <= allowed
