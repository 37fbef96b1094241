"""Orders an unordered pile: from the leaf upwards by names, key identifiers and signatures (RFC 5280, section 6).

No verifier builds such a path: there is no trust anchor to reach, the top is often missing, and a path that servers
would refuse must be shown with its fault. Nothing is trusted because of what is found here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from certificates.pki import limits
from certificates.pki.facts import extension_of


@dataclass(frozen=True, slots=True)
class Chain:
    """The path found. `issuers` is in sending order, without the leaf; `root` is the self-signed top if present."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    root: x509.Certificate | None

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """Everything from the leaf to the root."""
        return (self.leaf, *self.issuers, *((self.root,) if self.root else ()))


@dataclass(slots=True)
class _Search:
    """Depth-first over the possible issuers, bounded so that a hostile mesh of cross-signatures ends."""

    pool: Sequence[x509.Certificate]
    now: datetime
    paths: list[tuple[x509.Certificate, ...]] = field(default_factory=list)

    def extend(self, path: tuple[x509.Certificate, ...]) -> None:
        top = path[-1]
        above = [] if is_self_signed(top) else self._issuers(top, path)
        if not above or len(path) > limits.MAX_CHAIN_CERTIFICATES:
            self.paths.append(path)
        for issuer in above:
            if len(self.paths) < limits.MAX_PATHS_TRIED:
                self.extend((*path, issuer))

    def _issuers(self, certificate: x509.Certificate, path: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
        fresh = [candidate for candidate in self.pool if candidate not in path]
        named = [candidate for candidate in fresh if may_have_issued(candidate, certificate)]
        signed = [candidate for candidate in named if has_signed(candidate, certificate)]
        if signed:
            return signed
        # A broken signature must be told as such: only where key identifiers say that it is the right issuer.
        return [candidate for candidate in named if key_identifiers_agree(candidate, certificate)][:1]

    def rank(self, path: tuple[x509.Certificate, ...]) -> tuple[bool, bool, int]:
        """The best path sorts first: reaches a root, is valid now, is short."""
        valid = all(c.not_valid_before_utc <= self.now <= c.not_valid_after_utc for c in path[1:])
        return (not is_self_signed(path[-1]), not valid, len(path))


def build_chain(leaf: x509.Certificate, pool: Sequence[x509.Certificate], *, now: datetime) -> Chain:
    """The best path from the leaf through the pool. At most one more than the permitted number of certificates."""
    search = _Search(pool, now)
    search.extend((leaf,))
    best = min(search.paths, key=search.rank)
    has_root = len(best) > 1 and is_self_signed(best[-1])
    return Chain(leaf=leaf, issuers=best[1:-1] if has_root else best[1:], root=best[-1] if has_root else None)


def may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """By name, and by key identifiers where both certificates carry them."""
    if issuer.subject != certificate.issuer:
        return False
    wanted, offered = _key_identifiers(issuer, certificate)
    return wanted is None or offered is None or wanted == offered


def key_identifiers_agree(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    wanted, offered = _key_identifiers(issuer, certificate)
    return wanted is not None and wanted == offered


def _key_identifiers(issuer: x509.Certificate, certificate: x509.Certificate) -> tuple[bytes | None, bytes | None]:
    authority = extension_of(certificate, x509.AuthorityKeyIdentifier)
    subject = extension_of(issuer, x509.SubjectKeyIdentifier)
    return (authority.key_identifier if authority else None, subject.digest if subject else None)


def has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """True if the signature verifies with the issuer's key. SHA-1 and MD5 count here; a finding judges them."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _has_signed_weakly(issuer, certificate)
    except InvalidSignature:
        return False
    return True


def _has_signed_weakly(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """The library's own check refuses old hashes; this one tells only who signed."""
    try:
        key, algorithm = issuer.public_key(), certificate.signature_hash_algorithm
        signed, signature = certificate.tbs_certificate_bytes, certificate.signature
        if algorithm is None or issuer.subject != certificate.issuer:
            return False
        if isinstance(key, RSAPublicKey):
            key.verify(signature, signed, PKCS1v15(), algorithm)
        elif isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, signed, ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Self-issued and verified by its own key. A self-issued certificate of a rolled-over CA key is not."""
    return certificate.issuer == certificate.subject and has_signed(certificate, certificate)
