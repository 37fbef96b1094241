"""TLS contexts: built once, never changed after their first connection, kept for a short while.

Building one costs more than half a handshake, so equal ones are shared. What makes them equal: the kind of attempt,
the credential (leaf and chain), the trust anchors, the TLS versions. A context holds the private key in memory, hence
the short life and the small number.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from OpenSSL import SSL

from certificates.pki.credential import Credential
from servicenodes.errors import CredentialRefused
from servicenodes.tls.observation import AttemptKind
from servicenodes.tls.transcript import on_info, on_secret, on_verify, on_verify_strong
from servicenodes.tls.trust import TrustAnchors

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
# SSL_MODE_NO_AUTO_CHAIN: otherwise OpenSSL completes our chain from the trust store meant for the server,
# and a missing intermediate would never be noticed.
NO_AUTO_CHAIN = 0x8
# At its usual security level 2 the engine refuses to load an RSA key below 2048 bits, and nobody would learn what the
# server says to it. Level 1 takes 1024 bits. What it would also take from the server is refused elsewhere: weak keys in
# `on_verify_strong`, small Diffie-Hellman groups by not offering any.
LEVEL_FOR_WEAK_KEYS = b"DEFAULT:!kDHE:@SECLEVEL=1"
WEAK_RSA_BITS = range(1024, 2048)
MAX_AGE_S = 120.0  # seconds; a forgotten one goes at most half as long after that
MAX_KEPT = 128

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ContextSpec:
    """Everything a context depends on. `credential` None presents nothing."""

    kind: AttemptKind
    trust: TrustAnchors
    min_tls: str = "1.2"
    max_tls: str | None = None
    credential: Credential | None = None

    def key(self) -> Key:
        """Names the cached context. Certificates compare by their DER."""
        credential = self.credential
        ours = () if credential is None else (credential.spki_sha256, credential.leaf, *credential.chain)
        return (self.kind, self.trust.key, self.min_tls, self.max_tls, *ours)


_lock = threading.Lock()
_kept: OrderedDict[Key, tuple[float, SSL.Context]] = OrderedDict()


def context_for(spec: ContextSpec) -> SSL.Context:
    """A shared context. Raises `CredentialRefused` if the engine does not take the certificate or key."""
    if spec.kind is AttemptKind.CANARY:
        return build_context(spec)  # its certificate is made for one attempt
    key, now = spec.key(), time.monotonic()
    with _lock:
        made_at, context = _kept.get(key, (0.0, None))
        if context is not None and now - made_at < MAX_AGE_S:
            _kept.move_to_end(key)
            return context
    context = build_context(spec)
    with _lock:
        if not _kept:
            _forget_later()
        _kept[key] = (now, context)
        _kept.move_to_end(key)
        while len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)
    return context


def _forget_later() -> None:
    """A process with nothing more to do must not keep keys either, so a timer looks after them."""
    timer = threading.Timer(MAX_AGE_S / 2, _forget_old)
    timer.daemon = True
    timer.start()


def _forget_old() -> None:
    now = time.monotonic()
    with _lock:
        for old in [name for name, (made_at, _) in _kept.items() if now - made_at >= MAX_AGE_S]:
            del _kept[old]
        if _kept:
            _forget_later()


def forget_contexts() -> None:
    """Drop every kept context, and with them the keys they hold."""
    with _lock:
        _kept.clear()


def build_context(spec: ContextSpec) -> SSL.Context:
    """A fresh context for the attempt. Sessions are never resumed: a resumed one presents no certificate."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(VERSIONS[spec.min_tls])
    if spec.max_tls is not None:
        context.set_max_proto_version(VERSIONS[spec.max_tls])
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(NO_AUTO_CHAIN)
    context.set_alpn_protos([b"http/1.1"])
    spec.trust.load_into(context)
    if spec.credential is not None and _has_weak_key(spec.credential):
        context.set_cipher_list(LEVEL_FOR_WEAK_KEYS)
        context.set_verify(SSL.VERIFY_PEER, on_verify_strong)
    else:
        context.set_verify(SSL.VERIFY_PEER, on_verify)
    context.set_info_callback(on_info)
    if spec.kind is not AttemptKind.CALL:
        context.set_keylog_callback(on_secret)
    if spec.credential is not None:
        _present(context, spec.credential)
    return context


def _has_weak_key(credential: Credential) -> bool:
    certificates = (credential.leaf, *credential.chain)
    keys = [certificate.public_key() for certificate in certificates]
    return any(isinstance(key, RSAPublicKey) and key.key_size in WEAK_RSA_BITS for key in keys)


def _present(context: SSL.Context, credential: Credential) -> None:
    """Certificate before key: with the key first, a key that does not match is dropped without a word."""
    try:
        context.use_certificate(credential.leaf)
        for certificate in credential.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credential.private_key)
        context.check_privatekey()
    except SSL.Error as error:
        reasons = error.args[0] if error.args else []
        reason = reasons[-1][2] if reasons else "no reason given"
        raise CredentialRefused(f"The TLS engine does not take this certificate: {reason}.") from None
