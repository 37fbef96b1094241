"""The exception tree of this app. Standard library only.

DomainError (botplatform.errors)
├── BundleError              a file cannot be read or does not make a certificate; carries `file`
├── ImportRefused            findings refuse the import unless the caller allows them; carries `findings`
├── KeyringError
│   ├── Sealed               no keyring, or a wrong one: nothing is opened or stored
│   └── EnvelopeBroken       a ciphertext does not open: altered, moved, or of another keyring
└── CredentialUnusable       no active version, destroyed, … : the certificate cannot be presented
"""

from __future__ import annotations

from typing import Any

from botplatform.errors import DomainError


class BundleError(DomainError):
    """The files cannot be imported at all. `code` is one of the error codes of the contract.

    `inspection` is what could be seen all the same (`pki.inspection.Inspection`), where there is one.
    """

    def __init__(self, code: str, text: str, *, file: str | None = None, inspection: Any = None) -> None:
        super().__init__(text, code=code)
        self.file = file
        self.inspection = inspection


class ImportRefused(DomainError):
    """Findings refuse the import unless each of them is allowed. `findings` holds their codes.

    `inspection` is what was seen (`pki.inspection.Inspection`).
    """

    code = "import_refused"

    def __init__(self, text: str, *, findings: tuple[str, ...], inspection: Any = None) -> None:
        super().__init__(text)
        self.findings = findings
        self.inspection = inspection


class KeyringError(DomainError):
    """Something is wrong with keys at rest."""

    code = "keyring_error"


class Sealed(KeyringError):
    """No keyring or a wrong one. The console runs and says why; nothing is opened or stored."""

    code = "sealed"


class EnvelopeBroken(KeyringError):
    """A ciphertext does not open: it was altered, moved to another row, or sealed by another keyring."""

    code = "envelope_broken"


class CredentialUnusable(DomainError):
    """The certificate cannot be presented: no active version, expired key material, destroyed."""

    code = "certificate_unusable"
