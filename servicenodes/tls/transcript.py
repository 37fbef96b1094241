"""What the TLS engine tells while it works: collected by callbacks, one transcript per connection.

The state names come from OpenSSL and are no stable interface; `tests/servicenodes/tls/test_machine.py` pins them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, DNSPattern, verify_service_identity

from servicenodes.tls.names import (
    UNREADABLE,
    UNREADABLE_CERTIFICATE,
    UNREADABLE_TEXT,
    alert_name,
    certificate_of,
    subject_text,
    verify_error_name,
)
from servicenodes.tls.observation import Alert, VerifyError

SERVER_HELLO = b"SSLv3/TLS read server hello"
CERTIFICATE_REQUEST = b"SSLv3/TLS read server certificate request"
WRITE_CERTIFICATE = b"SSLv3/TLS write client certificate"
WRITE_CERTIFICATE_VERIFY = b"SSLv3/TLS write certificate verify"
WRITE_FINISHED = b"SSLv3/TLS write finished"
SESSION_TICKET = b"SSLv3/TLS read server session ticket"
SERVER_CERTIFICATE = b"SSLv3/TLS read server certificate"
WATCHED = frozenset(
    {
        SERVER_HELLO,
        SERVER_CERTIFICATE,
        CERTIFICATE_REQUEST,
        WRITE_CERTIFICATE,
        WRITE_CERTIFICATE_VERIFY,
        WRITE_FINISHED,
        SESSION_TICKET,
    }
)
FATAL = 2
MAX_ALERTS = 8
MIN_RSA_BITS, MIN_EC_BITS = 2048, 224  # OpenSSL's security level 2
LEAF_KEY_TOO_WEAK, CA_KEY_TOO_WEAK = 66, 67
SECRET_LABEL = b"SERVER_HANDSHAKE_TRAFFIC_SECRET "


@dataclass(slots=True, eq=False)
class Transcript:
    """Facts of one connection. With `observe` every verification error is collected and none stops the handshake."""

    server_name: str
    observe: bool
    seen: set[bytes] = field(default_factory=set)  # names of the states passed
    completed: bool = False
    requested_late: bool = False
    alerts: list[Alert] = field(default_factory=list)
    verify_errors: list[VerifyError] = field(default_factory=list)
    hostname_matched: bool | None = None
    secret: bytes | None = field(default=None, repr=False)

    @property
    def our_flight_out(self) -> bool:
        """Whether our answer to a certificate request, or the end of our part of the handshake, has been written."""
        return WRITE_CERTIFICATE in self.seen or WRITE_FINISHED in self.seen


def on_info(connection: SSL.Connection, where: int, value: int) -> None:
    """Info callback of every context."""
    transcript: Transcript = connection.get_app_data()
    if where & SSL.SSL_CB_ALERT:
        if len(transcript.alerts) < MAX_ALERTS:
            transcript.alerts.append(
                Alert(
                    code=value & 0xFF,
                    name=alert_name(value & 0xFF),
                    fatal=value >> 8 == FATAL,
                    received=bool(where & SSL.SSL_CB_READ),
                    after_our_flight=transcript.our_flight_out,
                )
            )
    elif where & SSL.SSL_CB_LOOP:
        state = connection.get_state_string()
        if state in WATCHED and state not in transcript.seen:
            transcript.seen.add(state)
            if state == CERTIFICATE_REQUEST and transcript.completed:
                transcript.requested_late = True


def on_secret(connection: SSL.Connection, line: bytes) -> None:
    """Key log callback: keeps the one secret that opens the server's flight, in memory, until it has been read."""
    if line.startswith(SECRET_LABEL):
        transcript: Transcript = connection.get_app_data()
        transcript.secret = bytes.fromhex(line.rpartition(b" ")[2].decode("ascii"))


def on_verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """Verify callback. Strict attempts stop here, before any certificate of ours is sent."""
    transcript: Transcript = connection.get_app_data()
    if ok and depth > 0:
        return True
    parsed = _parsed(certificate)
    if not ok or parsed is None:
        code = UNREADABLE_CERTIFICATE if ok else verify_error_name(error)
        found = VerifyError(code, depth, UNREADABLE_TEXT if parsed is None else subject_text(parsed))
        if found not in transcript.verify_errors:
            transcript.verify_errors.append(found)
        return transcript.observe
    transcript.hostname_matched = covers(parsed, transcript.server_name)
    return transcript.observe or transcript.hostname_matched


def on_verify_strong(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """Verify callback of contexts whose security level is lowered for a weak key of ours: not for theirs."""
    if ok:
        key = certificate.get_pubkey()
        if key.bits() < (MIN_RSA_BITS if key.type() == crypto.TYPE_RSA else MIN_EC_BITS):
            return on_verify(connection, certificate, CA_KEY_TOO_WEAK if depth else LEAF_KEY_TOO_WEAK, depth, 0)
    return on_verify(connection, certificate, error, depth, ok)


@lru_cache(maxsize=256)
def covers(certificate: x509.Certificate, server_name: str) -> bool:
    """Whether the certificate's SAN names the host or IP address (RFC 9525; the common name does not count).

    Each name stands for itself: an odd one beside it, such as an address given as a DNS name, spoils nothing.
    """
    try:
        address = ip_address(server_name)
    except ValueError:
        address = None
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if address is not None:
            return address in san.get_values_for_type(x509.IPAddress)
        patterns = [pattern for name in san.get_values_for_type(x509.DNSName) if (pattern := _pattern(name))]
        verify_service_identity(patterns, [DNS_ID(server_name)], [])
    except (VerificationError, CertificateError, x509.ExtensionNotFound, *UNREADABLE):
        return False
    return True


def _pattern(name: str) -> DNSPattern | None:
    try:
        return DNSPattern.from_bytes(name.encode("ascii"))
    except (CertificateError, UnicodeError):
        return None


def _parsed(certificate: crypto.X509) -> x509.Certificate | None:
    try:
        return certificate_of(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate))
    except UNREADABLE:
        return None
