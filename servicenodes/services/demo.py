"""The demo: a bot whose five service nodes call the five faces of the demo bank (`demo.bank_api`, another process)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from botplatform.bots.services.bots import create_bot
from botplatform.errors import DomainError
from certificates.models import ClientCertificate, TrustStore
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret
from certificates.services.importing import import_certificate, preview
from certificates.services.trust_stores import import_trust_store
from servicenodes.models import ServiceNode
from servicenodes.services.nodes import change_node, create_node

BOT_SLUG = "acme"
CERTIFICATE_NAME = "bank-client"
TRUST_STORE_NAME = "demo-bank"
DIALOG = "Demo bank"
STOP_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class DemoBank:
    """Where the demo bank's files are, and what its faces are called."""

    folder: Path
    port: int
    client: Path
    passphrase: Secret
    trust: Path
    egress_allow: tuple[str, ...]
    faces: tuple[dict[str, str], ...]


def describe_bank(*, port: int) -> DemoBank:
    """Have the demo bank make its certificates under VAR_DIR and say what it will serve from `port` on."""
    folder = settings.VAR_DIR / "demo"
    done = subprocess.run(
        [*_command(folder, port), "--describe"], cwd=settings.PROJECT_DIR, capture_output=True, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise DomainError(f"The demo bank cannot be prepared: {lines[-1]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return DemoBank(
        folder=folder,
        port=port,
        client=Path(told["client"]),
        passphrase=Secret(Path(told["passphrase_file"]).read_bytes().strip()),
        trust=Path(told["trust"]),
        egress_allow=tuple(told["egress_allow"]),
        faces=tuple(told["faces"]),
    )


@contextlib.contextmanager
def open_bank(bank: DemoBank) -> Iterator[None]:
    """Keep the bank serving meanwhile. Where its ports are taken, the one that already serves is used."""
    command = _command(bank.folder, bank.port)
    with subprocess.Popen(
        command, cwd=settings.PROJECT_DIR, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            if process.stdout:
                process.stdout.readline()  # it is ready, or it has ended
            yield
        finally:
            process.terminate()
            process.communicate(timeout=STOP_TIMEOUT_S)


def load_demo(*, actor: Actor, bank: DemoBank) -> ServiceNode:
    """Create what is missing of the demo, renew what the bank renewed, and return the node of the first face."""
    bot = Bot.objects.filter(slug=BOT_SLUG).first()
    if bot is None:
        bot = create_bot(actor=actor, slug=BOT_SLUG, name="Acme Bank assistant")
    _load_certificate(actor=actor, bot=bot, bank=bank)
    files = [UploadedFile(bank.trust.name, bank.trust.read_bytes())]
    store = import_trust_store(actor=actor, owner=bot, name=TRUST_STORE_NAME, files=files).trust_store
    nodes = [_load_node(actor=actor, bot=bot, store=store, face=face) for face in bank.faces]
    return nodes[0]


def _load_certificate(*, actor: Actor, bot: Bot, bank: DemoBank) -> None:
    """Import what the bank mailed, once: which version is active later, and the default, are the user's choices."""
    mailed = [UploadedFile(bank.client.name, bank.client.read_bytes())]
    certificate = ClientCertificate.objects.filter(bot=bot, name=CERTIFICATE_NAME).first()
    if certificate is not None:
        leaf = preview(actor=actor, owner=bot, files=mailed, passphrase=bank.passphrase).leaf
        if leaf is not None and certificate.versions.filter(sha256=leaf.sha256).exists():
            return
    import_certificate(
        actor=actor,
        owner=bot,
        name=CERTIFICATE_NAME,
        files=mailed,
        passphrase=bank.passphrase,
        make_default=certificate is None,
    )


def _load_node(*, actor: Actor, bot: Bot, store: TrustStore, face: dict[str, str]) -> ServiceNode:
    node = ServiceNode.objects.filter(bot=bot, slug=face["slug"]).select_related("bot").first()
    if node is None:
        return create_node(
            actor=actor,
            bot=bot,
            slug=face["slug"],
            name=face["name"],
            dialog=DIALOG,
            url=face["url"],
            trust_store=store,
        )
    if node.url != face["url"] and _without_port(node.url) == _without_port(face["url"]):
        changes: dict[str, Any] = {"url": face["url"], "sealed_headers": {}}  # secrets do not follow to another port
        return change_node(actor=actor, node=node, expected_revision=node.revision, **changes)
    return node


def _without_port(url: str) -> tuple[str | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.path


def _command(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "demo.bank_api", "--dir", str(folder), "--port", str(port)]
