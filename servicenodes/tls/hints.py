"""What we can see ourselves that may explain the server's answer. Hints are findings, never verdicts. Pure.

Many servers refuse without a reason (nginx says only "The SSL certificate error"), so the usual causes are checked
here. The codes are those of `certificates.pki.findings`, and some that only a connection shows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki.inspection import Finding, Severity
from servicenodes.tls.judgement import Verdict
from servicenodes.tls.names import UNREADABLE, issuer_text, subject_text
from servicenodes.tls.observation import Attempt, Observation

SOON = timedelta(days=30)
UNHAPPY = frozenset({Verdict.REJECTED, Verdict.HTTP_REFUSED, Verdict.INCONCLUSIVE, Verdict.CERTIFICATE_NOT_SENT})


def find_hints(observation: Observation, verdict: Verdict, *, now: datetime) -> tuple[Finding, ...]:
    """The findings of a test, the client certificate's first. `now` is aware UTC."""
    findings: list[Finding] = []
    if observation.presented:
        findings += _own_leaf(observation.presented[0], now)
        request = next((attempt for attempt in observation.attempts[::-1] if attempt.requested), None)
        if request is not None:
            findings += _own_chain(observation.presented, request, unhappy=verdict in UNHAPPY)
    first = observation.first
    if first is not None:
        findings += _server(first, now)
    return (*findings, *_course(observation))


def _own_leaf(leaf: x509.Certificate, now: datetime) -> list[Finding]:
    found = []
    if now > leaf.not_valid_after_utc:
        found.append(_error("expired", f"The client certificate expired on {leaf.not_valid_after_utc:%d %B %Y}."))
    elif leaf.not_valid_after_utc - now < SOON:
        found.append(
            _warning("expires_soon", f"The client certificate expires on {leaf.not_valid_after_utc:%d %B %Y}.")
        )
    if now < leaf.not_valid_before_utc:
        text = f"The client certificate is not valid before {leaf.not_valid_before_utc:%d %B %Y %H:%M} UTC."
        found.append(_error("not_yet_valid", text))
    if not _allows_client_auth(leaf):
        found.append(
            _error("client_auth_missing", "The client certificate may not be used by clients (no clientAuth).")
        )
    if not _allows_signing(leaf):
        text = "The client certificate’s key may not sign (key usage without digitalSignature), as a client must."
        found.append(_error("digital_signature_missing", text))
    key = leaf.public_key()
    if (isinstance(key, RSAPublicKey) and key.key_size < 2048) or (
        isinstance(key, EllipticCurvePublicKey) and key.key_size < 256
    ):
        found.append(_error("key_too_small", f"The client certificate’s key has only {key.key_size} bits."))
    if _weak_hash(leaf):
        found.append(_error("weak_signature", "The client certificate is signed with an outdated hash."))
    if leaf.issuer == leaf.subject:
        found.append(_warning("self_signed_leaf", "The client certificate signed itself."))
    return found


def _own_chain(presented: tuple[x509.Certificate, ...], request: Attempt, *, unhappy: bool) -> list[Finding]:
    """Does what we present lead to a CA the server listed? Only the list tells; an empty one tells nothing."""
    leaf, *chain = presented
    names = {issuer_text(certificate) for certificate in presented}
    names |= {subject_text(certificate) for certificate in chain}
    found = []
    listed = set(request.acceptable_cas)
    if listed and not names & listed:
        text = f"The server’s list of acceptable CAs does not contain {issuer_text(leaf)}."
        found.append(_warning("issuer_not_listed", text))
    unknown_to_server = bool(listed) and issuer_text(presented[-1]) not in listed
    if not chain and leaf.issuer != leaf.subject and unhappy and (unknown_to_server or not listed):
        text = "No intermediate certificate is presented. If one exists, the server may be unable to build the chain."
        found.append(_warning("missing_intermediate", text))
    return found


def _server(attempt: Attempt, now: datetime) -> list[Finding]:
    found = [
        _error(error.code, f"{error.subject or 'The server’s certificate'}: {error.code.replace('_', ' ')}.")
        for error in attempt.verify_errors
    ]
    if attempt.chain and not attempt.verify_errors:
        last = attempt.chain[0].not_valid_after_utc
        if last - now < SOON:
            found.append(
                _warning("server_certificate_expires_soon", f"The server’s certificate expires on {last:%d %B %Y}.")
            )
    return found


def _course(observation: Observation) -> list[Finding]:
    """What was special about this test."""
    found = []
    real = observation.real
    if observation.capped_to_tls12:
        text = (
            "In TLS 1.3 the server answered 403 without asking for a certificate, so the test was repeated in TLS 1.2."
        )
        found.append(Finding("repeated_with_tls12", Severity.INFO, text))
    if observation.repeated:
        text = "The server closed the connection without a word, so the attempt was made twice."
        found.append(Finding("attempt_repeated", Severity.INFO, text))
    if real is not None and real.requested_late:
        text = "The server asked for the certificate only after it had seen the request."
        found.append(Finding("requested_late", Severity.INFO, text))
    if real is not None and real.http is not None and real.http.status >= 500:
        text = f"Behind TLS the server has a problem of its own: HTTP status {real.http.status}."
        found.append(Finding("server_error", Severity.WARNING, text))
    return found


@lru_cache(maxsize=256)
def _allows_client_auth(leaf: x509.Certificate) -> bool:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _allows_signing(leaf: x509.Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (x509.ExtensionNotFound, *UNREADABLE):
        return True


def _weak_hash(leaf: x509.Certificate) -> bool:
    try:
        return isinstance(leaf.signature_hash_algorithm, hashes.SHA1 | hashes.MD5)
    except ValueError:
        return False


def _error(code: str, text: str) -> Finding:
    return Finding(code, Severity.ERROR, text)


def _warning(code: str, text: str) -> Finding:
    return Finding(code, Severity.WARNING, text)
