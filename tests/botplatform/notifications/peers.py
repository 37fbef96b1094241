"""A mail server and a receiver of webhooks, both real and on loopback, and the settings that lead to them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_django import Settings

from tests.mail_servers import MailServer, mail_server
from tests.servers import Peer, python_server
from tests.servicenodes.tls.calls import Backend
from tests.servicenodes.tls.world import world


@dataclass
class Receiver(Backend):
    """Keeps the webhooks it was sent, as a receiver that verifies nothing."""

    @property
    def received(self) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """Headers (names in lower case) and documents, oldest first."""
        heads = [dict(_header(line) for line in head.decode().split("\r\n")[1:]) for head in self.heads]
        return [(head, json.loads(body)) for head, body in zip(heads, self.bodies, strict=True)]

    @property
    def ids(self) -> list[str]:
        return [head["webhook-id"] for head, _ in self.received]


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


@dataclass
class Peers:
    """Both, and the environment for a child process that is to reach them."""

    mail: MailServer
    hooks: Receiver
    peer: Peer
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.peer.url}hook"


@contextlib.contextmanager
def peers(settings: Settings, folder: Path, monkeypatch: Any) -> Iterator[Peers]:
    """Run both, and let this process find them as an operator would: EMAIL_URL, EGRESS_ALLOW, SSL_CERT_FILE."""
    authority = folder / "authority.pem"
    authority.write_bytes(world().server_root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    hooks = Receiver()
    with mail_server() as mail, python_server(world().server, behaviour=hooks) as peer:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail.port
        settings.EGRESS_ALLOW = ["127.0.0.0/8", "::1/128"]
        environment = {"EMAIL_URL": f"smtp://127.0.0.1:{mail.port}", "EGRESS_ALLOW": "127.0.0.0/8,::1/128"}
        yield Peers(mail, hooks, peer, {**environment, "SSL_CERT_FILE": str(authority)})
