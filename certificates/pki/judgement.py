"""Judges a leaf and its chain: every finding with one sentence that says what is so and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki import path_checks
from certificates.pki.chain import Chain, is_self_signed
from certificates.pki.display import day, key_label, organisation, short_name
from certificates.pki.facts import extension_of, harmless, key_of, signature_hash_of
from certificates.pki.findings import FindingCode, finding
from certificates.pki.inspection import Finding, Severity
from certificates.pki.public_cas import ending_of, is_public_ca

_SOON = timedelta(days=30)
_LONG = timedelta(days=825)  # what browsers' makers still accept from private CAs
_WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1"})


def judge(chain: Chain, *, legacy: Sequence[str], now: datetime) -> tuple[Finding, ...]:
    """All findings of a leaf with its chain, errors first. `legacy` names files with outdated encryption."""
    found = (
        *_about_dates(chain, now),
        *_about_leaf(chain.leaf),
        *_about_signatures(chain),
        *_about_chain(chain),
        *_about_issuers(chain),
        *about_encryption(legacy),
    )
    weight = {severity: place for place, severity in enumerate((Severity.ERROR, Severity.WARNING, Severity.INFO))}
    return tuple(sorted(found, key=lambda one: weight[one.severity]))


def soon(certificate: x509.Certificate) -> timedelta:
    """How long before its end a certificate needs a person: 30 days, or a third of a shorter life."""
    return min(_SOON, (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 3)


def _about_dates(chain: Chain, now: datetime) -> Iterator[Finding]:
    leaf = chain.leaf
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > end:
        yield finding(FindingCode.EXPIRED, f"The certificate expired on {day(end)}: get a renewed one from the CA.")
    elif now < begin:
        text = f"The certificate is not valid before {day(begin)}: import it now and use it from that day on."
        yield finding(FindingCode.NOT_YET_VALID, text)
    elif end - now <= soon(leaf):
        yield finding(FindingCode.EXPIRES_SOON, f"The certificate expires on {day(end)}: ask the CA for a renewal now.")
    for issuer in chain.path[1:]:
        if not issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc:
            yield finding(FindingCode.CHAIN_EXPIRED, _chain_expired(issuer, now))
    if end - begin > _LONG:
        text = f"The certificate is valid for {(end - begin).days:,} days: a shorter life limits a stolen key."
        yield finding(FindingCode.LONG_VALIDITY, text)


def _chain_expired(issuer: x509.Certificate, now: datetime) -> str:
    name = _name(issuer.subject)
    if now > issuer.not_valid_after_utc:
        return f"{name} in the chain expired on {day(issuer.not_valid_after_utc)}: ask the CA for its current chain."
    return f"{name} in the chain is not valid before {day(issuer.not_valid_before_utc)}: ask the CA for its chain."


def _about_leaf(leaf: x509.Certificate) -> Iterator[Finding]:
    purposes, usage = extension_of(leaf, x509.ExtendedKeyUsage), extension_of(leaf, x509.KeyUsage)
    wanted = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and not wanted & set(purposes):
        text = "The certificate is not meant for clients (extended key usage without clientAuth): ask for one that is."
        yield finding(FindingCode.CLIENT_AUTH_MISSING, text)
    signs = usage is None or usage.digital_signature  # a client signs the handshake (RFC 8446, 4.4.2.2)
    if not signs:
        text = "The key may not sign (key usage without digitalSignature), as a client must: ask for one that may."
        yield finding(FindingCode.DIGITAL_SIGNATURE_MISSING, text)
    yield from about_key(*key_of(leaf))
    if is_self_signed(leaf):
        text = "The certificate signed itself, so each server must trust exactly this one: give its owner a copy."
        yield finding(FindingCode.SELF_SIGNED_LEAF, text)
        if signs:
            # Whoever trusts exactly this one does not mind the CA flag, which “openssl req -x509” always sets.
            return
    constraints = extension_of(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        text = "The certificate belongs to a CA, and many servers refuse it as a client's: ask for an end entity's."
        yield finding(FindingCode.LEAF_IS_CA, text)


def about_key(key_type: str, bits: int) -> Iterator[Finding]:
    """`key_too_small` if it is."""
    if path_checks.is_small(key_type, bits):
        text = f"The key is too small ({key_label(key_type, bits)}): make a new one, RSA 2048 or EC P-256 at least."
        yield finding(FindingCode.KEY_TOO_SMALL, text)


def about_encryption(legacy: Sequence[str]) -> Iterator[Finding]:
    """`legacy_encryption` if any file is protected in an outdated way."""
    if legacy:
        text = f"{legacy[0]} is protected by outdated encryption: delete copies of it, and ask for AES-256 next time."
        yield finding(FindingCode.LEGACY_ENCRYPTION, text)


def _about_signatures(chain: Chain) -> Iterator[Finding]:
    """What signs itself is trusted for other reasons than its signature."""
    for certificate in chain.path:
        weak = signature_hash_of(certificate)
        if weak in _WEAK_HASHES and not is_self_signed(certificate):
            name = _name(certificate.subject)
            text = f"{name} is signed with {weak.upper()}, which servers refuse: ask for one signed with SHA-256."
            yield finding(FindingCode.WEAK_SIGNATURE, text)


def _about_chain(chain: Chain) -> Iterator[Finding]:
    for problem in path_checks.problems(chain):
        text = f"Servers will refuse the chain, {problem}: ask the CA for a correct one."
        yield finding(FindingCode.CHAIN_INVALID, text)
    if chain.root:
        text = f"The root {_name(chain.root.subject)} was among the files: it is kept for reference and not sent."
        yield finding(FindingCode.ROOT_INCLUDED, text)
        return
    top = chain.path[-1]
    if is_self_signed(top):
        return
    if not chain.issuers:
        text = f"The issuer {_name(top.issuer)} is not among the files: add it, unless it is the root itself."
        yield finding(FindingCode.MISSING_INTERMEDIATE, text)
    text = f"The chain ends at {_name(top.subject)}, issued by {_name(top.issuer)}: the root is not among the files."
    yield finding(FindingCode.NO_ROOT, text)


def _about_issuers(chain: Chain) -> Iterator[Finding]:
    leaf = chain.leaf
    purposes = extension_of(leaf, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        return
    for certificate in chain.path:
        name = organisation(harmless(certificate.issuer.rfc4514_string()))
        if is_public_ca(name):
            when = ending_of(name).words
            text = (
                f"If {name} issued this as a public CA, its renewals lack clientAuth from {when} on: use a private CA."
            )
            yield finding(FindingCode.PUBLIC_CA_CLIENT_AUTH_ENDING, text)
            return


def _name(name: x509.Name) -> str:
    return f"“{short_name(harmless(name.rfc4514_string()))}”"
