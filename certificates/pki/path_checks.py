"""What makes a chain invalid whatever the date (RFC 5280, section 6.1), each problem as half a sentence.

Checks, not trust: whether a server accepts the chain only the server says. cryptography's `ClientVerifier` cannot
stand in, even with a permissive policy for the leaf: it keeps to the browsers' profile, and so refuses Ed25519 CAs,
version 1 leaves, CAs without key usage and all directory name constraints, which private CAs use and servers accept
(half of the chains among the samples); and it tells the first problem only, in words for programmers. OpenSSL's
verifier stays with `servicenodes.tls`, the only package that may import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from certificates.pki.chain import Chain, has_signed
from certificates.pki.display import short_name
from certificates.pki.facts import extension_of, harmless, key_of
from certificates.pki.name_constraints import violations

# What verifiers of client certificates process; any other critical extension makes them refuse (section 4.2).
_PROCESSED = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.ISSUER_ALTERNATIVE_NAME,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        x509.ObjectIdentifier("2.16.840.1.113730.1.1"),  # nsCertType, which OpenSSL processes
    }
)


def problems(chain: Chain) -> Iterator[str]:
    """Every reason why a verifier would refuse the path itself."""
    path = chain.path
    for certificate in path:
        yield from _extension_problems(certificate)
    for below, issuer in pairwise(path):
        if not has_signed(issuer, below):
            yield f"the signature of {_name(below)} does not verify with the key of {_name(issuer)}"
    for depth, issuer in enumerate(path[1:]):
        intermediates = [ca for ca in path[1 : depth + 1] if ca.subject != ca.issuer]
        yield from issuer_problems(issuer, len(intermediates))
        yield from name_problems(issuer, path[: depth + 1])


def name_problems(issuer: x509.Certificate, below: Sequence[x509.Certificate]) -> Iterator[str]:
    """Names below the issuer, leaf first, that its name constraints do not permit."""
    for constrained in below:
        if constrained is below[0] or constrained.subject != constrained.issuer:
            for name in violations(issuer, constrained):
                yield f"{_name(issuer)} does not permit the name {harmless(name)} (name constraints)"


def issuer_problems(issuer: x509.Certificate, intermediates_below: int) -> Iterator[str]:
    """Why the certificate may not issue what is below it."""
    name = _name(issuer)
    constraints = extension_of(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield f"{name} is not a CA, so it cannot issue certificates"
    elif constraints.path_length is not None and intermediates_below > constraints.path_length:
        yield f"{name} permits {constraints.path_length} intermediates below it, and there are {intermediates_below}"
    usage = extension_of(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield f"the key usage of {name} does not include signing certificates"
    purposes = extension_of(issuer, x509.ExtendedKeyUsage)
    if purposes is not None and not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(
        purposes
    ):
        yield f"{name} may not issue client certificates (extended key usage without clientAuth)"
    kind, bits = key_of(issuer)
    if is_small(kind, bits):
        yield f"the key of {name} is too small ({bits} bits)"


def is_small(key_type: str, bits: int) -> bool:
    """RSA below 2048 bits, elliptic curves below 256."""
    return bits < (2048 if key_type in {"rsa", "dsa"} else 256) and key_type != "unknown"


def _extension_problems(certificate: x509.Certificate) -> Iterator[str]:
    try:
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        yield f"the extensions of {_name(certificate)} cannot be decoded"
        return
    for extension in extensions:
        if extension.critical and extension.oid not in _PROCESSED:
            yield f"{_name(certificate)} has the critical extension {extension.oid.dotted_string}, unknown to servers"


def _name(certificate: x509.Certificate) -> str:
    return f"“{short_name(harmless(certificate.subject.rfc4514_string()))}”"
