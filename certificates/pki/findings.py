"""The closed lists: codes of findings and of errors, and the severity of each finding."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from certificates.pki.inspection import Finding, Severity


class FindingCode(StrEnum):
    """Everything that can be said about readable material. Part of the contract: add freely, never rename."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRES_SOON = "expires_soon"
    CLIENT_AUTH_MISSING = "client_auth_missing"
    DIGITAL_SIGNATURE_MISSING = "digital_signature_missing"
    KEY_TOO_SMALL = "key_too_small"
    WEAK_SIGNATURE = "weak_signature"
    MISSING_INTERMEDIATE = "missing_intermediate"
    CHAIN_INVALID = "chain_invalid"
    CHAIN_EXPIRED = "chain_expired"
    SELF_SIGNED_LEAF = "self_signed_leaf"
    LEAF_IS_CA = "leaf_is_ca"
    NO_ROOT = "no_root"
    ROOT_INCLUDED = "root_included"
    LONG_VALIDITY = "long_validity"
    LEGACY_ENCRYPTION = "legacy_encryption"
    PUBLIC_CA_CLIENT_AUTH_ENDING = "public_ca_client_auth_ending"
    SUBJECT_CHANGED = "subject_changed"
    NAMES_MISSING = "names_missing"
    EXPIRES_EARLIER = "expires_earlier"


class ErrorCode(StrEnum):
    """Why files cannot be imported at all. Part of the contract."""

    NO_PRIVATE_KEY = "no_private_key"
    NO_CERTIFICATE = "no_certificate"
    KEY_DOES_NOT_MATCH = "key_does_not_match"
    SEVERAL_KEYS = "several_keys"
    PASSPHRASE_REQUIRED = "passphrase_required"  # noqa: S105
    PASSPHRASE_WRONG = "passphrase_wrong"  # noqa: S105
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNSUPPORTED_KEY = "unsupported_key"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_EXPENSIVE = "too_expensive"


class IgnoredWhy(StrEnum):
    """Why something in the files will not be stored. Part of the contract."""

    DUPLICATE = "duplicate"
    UNRELATED = "unrelated"
    EXTRA_KEY = "extra_key"
    NOT_A_CERTIFICATE = "not_a_certificate"


SEVERITY: Mapping[FindingCode, Severity] = {
    FindingCode.EXPIRED: Severity.ERROR,
    FindingCode.NOT_YET_VALID: Severity.WARNING,
    FindingCode.EXPIRES_SOON: Severity.WARNING,
    FindingCode.CLIENT_AUTH_MISSING: Severity.ERROR,
    FindingCode.DIGITAL_SIGNATURE_MISSING: Severity.ERROR,
    FindingCode.KEY_TOO_SMALL: Severity.ERROR,
    FindingCode.WEAK_SIGNATURE: Severity.ERROR,
    FindingCode.MISSING_INTERMEDIATE: Severity.WARNING,
    FindingCode.CHAIN_INVALID: Severity.ERROR,
    FindingCode.CHAIN_EXPIRED: Severity.WARNING,
    FindingCode.SELF_SIGNED_LEAF: Severity.WARNING,
    FindingCode.LEAF_IS_CA: Severity.ERROR,
    FindingCode.NO_ROOT: Severity.INFO,
    FindingCode.ROOT_INCLUDED: Severity.INFO,
    FindingCode.LONG_VALIDITY: Severity.INFO,
    FindingCode.LEGACY_ENCRYPTION: Severity.INFO,
    FindingCode.PUBLIC_CA_CLIENT_AUTH_ENDING: Severity.WARNING,
    FindingCode.SUBJECT_CHANGED: Severity.WARNING,
    FindingCode.NAMES_MISSING: Severity.WARNING,
    FindingCode.EXPIRES_EARLIER: Severity.WARNING,
}


def finding(code: FindingCode, text: str) -> Finding:
    """A finding with the severity its code always has."""
    return Finding(code=code.value, severity=SEVERITY[code], text=text)
