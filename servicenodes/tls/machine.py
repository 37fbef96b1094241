"""TLS without input and output: bytes in, bytes out. The caller owns the socket, the clock and the waiting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from cryptography import x509
from OpenSSL import SSL, crypto

from servicenodes.tls import certificate_request
from servicenodes.tls.names import UNREADABLE, UNREADABLE_TEXT, certificate_of, name_text
from servicenodes.tls.transcript import (
    CERTIFICATE_REQUEST,
    SERVER_HELLO,
    SESSION_TICKET,
    WRITE_CERTIFICATE,
    WRITE_CERTIFICATE_VERIFY,
    Transcript,
    covers,
)

CHUNK = 16384
MAX_HANDSHAKE = 256 * 1024  # bytes; OpenSSL itself allows a chain of 100 KB
T = TypeVar("T")


class MachineFailed(Exception):
    """The TLS engine gave up. `word` is its reason, lower case with underscores."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class CloseNotify(Exception):
    """The server said in TLS that it has nothing more to say."""


class Machine:
    """One TLS client connection."""

    def __init__(self, context: SSL.Context, transcript: Transcript, *, sni: str | None) -> None:
        self.transcript = transcript
        self._received = bytearray()
        self._chain: tuple[x509.Certificate, ...] = ()
        self._acceptable_cas: tuple[str, ...] | None = None
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(transcript)
        if sni is not None:
            self._connection.set_tlsext_host_name(sni.encode("ascii"))
        self._connection.set_connect_state()

    def handshake(self) -> bool:
        """Go on with the handshake. True when it is complete, False when it needs more from the server."""
        done = self._run(self._connection.do_handshake)
        if done is WANT_MORE:
            return False
        self.transcript.completed = True
        return True

    def receive(self, data: bytes) -> None:
        """Take what came from the server."""
        if not self.transcript.completed:
            self._received += data
            if len(self._received) > MAX_HANDSHAKE:
                raise MachineFailed("handshake_too_large")
        self._connection.bio_write(data)

    def output(self) -> bytes:
        """What must go to the server now; often empty."""
        parts = []
        while True:
            try:
                parts.append(self._connection.bio_read(CHUNK))
            except SSL.WantReadError:
                return b"".join(parts)
            if len(parts[-1]) < CHUNK:  # all there was; asking again would cost an exception
                return b"".join(parts)

    def write(self, data: bytes | memoryview) -> int:
        """Encrypt application data; `output` then holds it. Returns how many bytes were taken: at most one record,
        and none in the middle of a renegotiation, when more must come from the server first."""
        taken = self._run(lambda: self._connection.send(data))
        return taken if isinstance(taken, int) else 0

    def read(self) -> bytes | None:
        """Application data, or None when more must come from the server first. Raises `CloseNotify`."""
        data = self._run(lambda: self._connection.recv(CHUNK))
        return data if isinstance(data, bytes) else None

    def close(self) -> None:
        """Prepare a close_notify; `output` then holds it."""
        with suppress(SSL.Error):  # after a failure there is nothing to say goodbye to
            self._connection.shutdown()

    def _run(self, call: Callable[[], T]) -> T | object:
        try:
            return call()
        except (SSL.WantReadError, SSL.WantWriteError):
            return WANT_MORE
        except SSL.ZeroReturnError:
            raise CloseNotify from None
        except SSL.Error as error:
            raise MachineFailed(_word(error)) from None

    @property
    def looks_like_tls(self) -> bool | None:
        """Whether the server's first bytes are a TLS record of version 3.x; None if nothing came."""
        if not self._received:
            return None
        alert, handshake = 21, 22
        return self._received[0] in (alert, handshake) and (len(self._received) < 2 or self._received[1] == 3)

    @property
    def tls_version(self) -> str | None:
        """The negotiated version; before the ServerHello the engine would name the offered one."""
        return self._connection.get_protocol_version_name() if SERVER_HELLO in self.transcript.seen else None

    @property
    def cipher(self) -> str | None:
        """The negotiated cipher suite."""
        return self._connection.get_cipher_name()

    @property
    def group(self) -> str | None:
        """The key exchange group."""
        return self._connection.get_group_name() if SERVER_HELLO in self.transcript.seen else None

    @property
    def alpn(self) -> str | None:
        """The application protocol the server chose."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The server's certificates as presented; empty if there are none or one cannot be read."""
        if not self._chain:
            with suppress(*UNREADABLE):
                chain = self._connection.get_peer_cert_chain() or ()
                self._chain = tuple(certificate_of(crypto.dump_certificate(crypto.FILETYPE_ASN1, one)) for one in chain)
        return self._chain

    @property
    def hostname_matched(self) -> bool | None:
        """Whether the server's certificate covers the name; None if there is none."""
        if self.transcript.hostname_matched is None and self.chain:
            self.transcript.hostname_matched = covers(self.chain[0], self.transcript.server_name)
        return self.transcript.hostname_matched

    @property
    def requested(self) -> bool:
        """Whether the server asked for a client certificate. An empty CA list says nothing about that."""
        return CERTIFICATE_REQUEST in self.transcript.seen

    @property
    def certificate_answered(self) -> bool:
        """Whether a Certificate message of ours went out, with or without content."""
        return WRITE_CERTIFICATE in self.transcript.seen

    @property
    def certificate_proven(self) -> bool:
        """Whether a CertificateVerify of ours went out: only a real certificate has one."""
        return WRITE_CERTIFICATE_VERIFY in self.transcript.seen

    @property
    def ticket_seen(self) -> bool:
        """Whether the server sent a session ticket. That is no acceptance, only a sign of life."""
        return SESSION_TICKET in self.transcript.seen

    def acceptable_cas(self) -> tuple[str, ...]:
        """The CA names the server listed, as RFC 4514 text."""
        if self._acceptable_cas is None:
            try:
                self._acceptable_cas = tuple(name_text(name.der()) for name in self._connection.get_client_ca_list())
            except UNREADABLE:
                self._acceptable_cas = (UNREADABLE_TEXT,)
        return self._acceptable_cas

    def requested_signature_algorithms(self) -> tuple[str, ...]:
        """The signature algorithms the server asked for. Drops the secret and the bytes it needed: call it once."""
        names: tuple[str, ...] = ()
        if self.requested:
            names = certificate_request.signature_algorithms(
                bytes(self._received), cipher=self.cipher, secret=self.transcript.secret
            )
        self.forget_handshake()
        return names

    def forget_handshake(self) -> None:
        """Drop the bytes of the handshake and the secret that opens them."""
        self.transcript.secret = None
        self._received.clear()


WANT_MORE = object()


def _word(error: SSL.Error) -> str:
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    text = reasons[-1][2] if reasons else ""
    return "_".join(text.lower().replace("-", " ").split()) or "closed_unexpectedly"
