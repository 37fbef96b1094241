"""A credential: an opened private key with its chain, in memory, ready to present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Credential:
    """Ready to present in a TLS handshake. `chain` is in sending order after the leaf, without the root.

    `label` is `bot-slug/name` and `version` its number, for reports. Its `repr` shows the SPKI hash only.
    """

    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey
    spki_sha256: str
    label: str | None = None
    version: int | None = None

    def __repr__(self) -> str:
        return f"<Credential spki {self.spki_sha256[:16]}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a credential cannot be pickled or copied")
