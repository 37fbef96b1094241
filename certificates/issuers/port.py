"""The port: what the product asks of a certificate authority, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from botplatform.errors import DomainError


class Phase(StrEnum):
    """How far an attempt came."""

    REACH = "reach"  # the CA's server answers
    SIGN_IN = "sign_in"  # it knows us: the account, the token
    ORDER = "order"  # it takes the request
    PROVE = "prove"  # ACME: the names are ours
    SIGN = "sign"  # it signs
    READ = "read"  # its reply can be read


class IssuerFailed(DomainError):
    """The CA gave no certificate. The sentence names the phase in words. `retry_after_s`: when it wants to be asked."""

    code = "issuer_failed"

    def __init__(self, phase: Phase, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.phase = phase
        self.retry_after_s = retry_after_s


def _forget(_: str) -> None:
    """Keeps nothing."""


@dataclass(frozen=True, slots=True)
class SigningJob:
    """What is to be signed. `resume` is what an earlier attempt at the same request gave to `keep`."""

    csr_der: bytes = field(repr=False)
    resume: str = ""
    keep: Callable[[str], None] = _forget


@dataclass(frozen=True, slots=True)
class Window:
    """When a CA wants a certificate renewed (RFC 9773), and when to ask again. Aware UTC."""

    start: datetime
    end: datetime
    ask_again_at: datetime


class Issuer(Protocol):
    """A certificate authority. Every method raises `IssuerFailed`."""

    def check(self) -> str:
        """Ask something harmless that needs the sign-in. Returns one sentence that says what answered."""

    def sign(self, job: SigningJob) -> tuple[bytes, ...]:
        """The certificate and its issuers as DER, leaf first, as the CA sent them: untrusted and not yet parsed."""

    def window(self, *, leaf_der: bytes, now: datetime) -> Window | None:
        """When the CA wants this certificate renewed; None where it has no opinion."""
