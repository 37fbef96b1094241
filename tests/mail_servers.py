"""A real mail server on loopback, for tests: it keeps what it accepted, and tells at which step it is."""

from __future__ import annotations

import contextlib
import email
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message

STEPS = ("greeting", "recipient", "data", "received", "accepted")  # `received`: all of it, not yet accepted


@dataclass
class MailServer:
    """`accepted` are the messages whose sender was told 250, oldest first. `at` is called at each step.

    Recipients in `refused` get 550.
    """

    port: int = 0
    accepted: list[Message] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    at: Callable[[str], None] = lambda step: None

    @property
    def ids(self) -> list[str]:
        """The Message-ID of each accepted message."""
        return [str(message["Message-ID"]) for message in self.accepted]


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            self._talk(self.server.mail_server)

    def _talk(self, mail: MailServer) -> None:
        mail.at("greeting")
        self._say("220 tests ESMTP")
        while line := self.rfile.readline():
            command = line.decode().strip().upper()
            if command.startswith("QUIT"):
                self._say("221 bye")
                return
            if command.startswith("DATA"):
                self._take(mail)
            elif command.startswith("RCPT"):
                mail.at("recipient")
                known = line.decode().partition("<")[2].partition(">")[0] not in mail.refused
                self._say("250 ok" if known else "550 no such mailbox")
            else:
                self._say("250 ok")

    def _take(self, mail: MailServer) -> None:
        mail.at("data")
        self._say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        content = b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines if line)
        mail.at("received")
        mail.accepted.append(email.message_from_bytes(content))
        self._say("250 accepted")
        mail.at("accepted")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    mail_server: MailServer


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """A running server."""
    with _Server(("127.0.0.1", 0), _Conversation) as server:
        server.mail_server = MailServer(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.mail_server
        finally:
            server.shutdown()
            thread.join(5)
