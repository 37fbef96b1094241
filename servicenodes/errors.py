"""The exception tree of this app. Standard library only.

DomainError (botplatform.errors)
└── ConnectionPhaseError     a connection attempt failed; names its phase (see `servicenodes.tls`)
"""

from botplatform.errors import DomainError


class ConnectionPhaseError(DomainError):
    """A connection attempt failed in `phase` (resolve, connect, proxy, handshake, http)."""

    phase = "connection"
