"""Numbers of TLS and X.509 verification, and the names people know them by."""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509

# RFC 8446 section 6 and RFC 5246 section 7.2, with later registrations.
ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}

# RFC 8446 section 4.2.3, and the SHA-1 and SHA-224 pairs of RFC 5246.
SIGNATURE_ALGORITHMS = {
    0x0201: "rsa_pkcs1_sha1",
    0x0203: "ecdsa_sha1",
    0x0301: "rsa_pkcs1_sha224",
    0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
    0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44",
    0x0905: "mldsa65",
    0x0906: "mldsa87",
}

# What `cryptography` raises for a certificate that OpenSSL reads but it does not, at once or when a part is asked for.
UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
UNREADABLE_TEXT = "(unreadable)"
UNREADABLE_CERTIFICATE = "certificate_cannot_be_read"

# OpenSSL's X509_V_ERR numbers; the words are OpenSSL's own sentences, shortened where they explain.
VERIFY_ERRORS = {
    1: "unspecified_certificate_verification_error",
    2: "unable_to_get_issuer_certificate",
    3: "unable_to_get_certificate_crl",
    4: "unable_to_decrypt_certificate_signature",
    6: "unable_to_decode_issuer_public_key",
    7: "certificate_signature_failure",
    9: "certificate_is_not_yet_valid",
    10: "certificate_has_expired",
    13: "format_error_in_not_before",
    14: "format_error_in_not_after",
    18: "self_signed_certificate",
    19: "self_signed_certificate_in_chain",
    20: "unable_to_get_local_issuer_certificate",
    21: "unable_to_verify_the_first_certificate",
    22: "certificate_chain_too_long",
    23: "certificate_revoked",
    24: "issuer_certificate_has_no_public_key",
    25: "path_length_constraint_exceeded",
    26: "unsuitable_certificate_purpose",
    27: "certificate_not_trusted",
    28: "certificate_rejected",
    29: "subject_issuer_mismatch",
    30: "authority_and_subject_key_identifier_mismatch",
    32: "key_usage_does_not_include_certificate_signing",
    34: "unhandled_critical_extension",
    37: "invalid_non_ca_certificate",
    39: "key_usage_does_not_include_digital_signature",
    41: "invalid_or_inconsistent_certificate_extension",
    47: "permitted_subtree_violation",
    48: "excluded_subtree_violation",
    49: "name_constraints_minimum_and_maximum_not_supported",
    51: "unsupported_name_constraint_type",
    52: "unsupported_or_invalid_name_constraint_syntax",
    53: "unsupported_or_invalid_name_syntax",
    66: "ee_certificate_key_too_weak",
    67: "ca_certificate_key_too_weak",
    68: "ca_signature_digest_algorithm_too_weak",
    76: "cannot_find_certificate_signature_algorithm",
    77: "signature_and_issuer_key_algorithm_mismatch",
    78: "inner_and_outer_signature_algorithm_mismatch",
    79: "invalid_ca_certificate",
    94: "certificate_public_key_has_explicit_ecc_parameters",
}


def alert_name(code: int) -> str:
    """The name of an alert, or `alert_<number>`."""
    return ALERTS.get(code, f"alert_{code}")


def signature_algorithm_name(code: int) -> str:
    """The name of a signature scheme, or its number in hexadecimal."""
    return SIGNATURE_ALGORITHMS.get(code, f"0x{code:04x}")


def verify_error_name(code: int) -> str:
    """The name of a verification error, or `verify_error_<number>`."""
    return VERIFY_ERRORS.get(code, f"verify_error_{code}")


@lru_cache(maxsize=1024)
def certificate_of(der: bytes) -> x509.Certificate:
    """The certificate. Kept, for servers show the same ones at every attempt. Raises what `UNREADABLE` says."""
    return x509.load_der_x509_certificate(der)


@lru_cache(maxsize=1024)
def name_text(der: bytes) -> str:
    """A name as RFC 4514 text. Raises what `UNREADABLE` says."""
    return x509.Name.from_bytes(der).rfc4514_string()


@lru_cache(maxsize=1024)
def subject_text(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 text; one that cannot be read says so."""
    try:
        return certificate.subject.rfc4514_string()
    except UNREADABLE:
        return UNREADABLE_TEXT


@lru_cache(maxsize=1024)
def issuer_text(certificate: x509.Certificate) -> str:
    """The issuer as RFC 4514 text; one that cannot be read says so."""
    try:
        return certificate.issuer.rfc4514_string()
    except UNREADABLE:
        return UNREADABLE_TEXT
