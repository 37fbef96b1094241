"""Trust anchors: whom a server's certificate chain must lead to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

# Where distributions keep their trust anchors; the first that exists dates the system store for the context cache.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Either the system's anchors (`certificates` is None) or exactly the given ones. `label` is for reports."""

    certificates: tuple[x509.Certificate, ...] | None
    label: str
    key: str  # equal keys, equal anchors: names the cached contexts

    @classmethod
    def system(cls) -> TrustAnchors:
        """The anchors of the operating system, or of SSL_CERT_FILE."""
        dates = [str(Path(name).stat().st_mtime_ns) for name in _SYSTEM_FILES if Path(name).exists()]
        return cls(None, "system", f"system:{':'.join(dates)}")

    @classmethod
    def of(cls, certificates: tuple[x509.Certificate, ...], label: str) -> TrustAnchors:
        """Exactly these. Each is an anchor by itself, be it an intermediate or the server's own certificate."""
        digest = hashlib.sha256()
        for certificate in certificates:
            digest.update(hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest())
        return cls(tuple(certificates), label, f"of:{digest.hexdigest()}")

    def load_into(self, context: SSL.Context) -> None:
        """Fill the context's trust store."""
        if self.certificates is None:
            context.set_default_verify_paths()
            return
        store = context.get_cert_store()
        assert store is not None  # noqa: S101 - a context always has one
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for certificate in self.certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))
