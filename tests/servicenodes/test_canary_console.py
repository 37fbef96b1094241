"""A canary key through the console and the commands, with every failure on the way; then everything is searched for it.

Searched: pages, error pages, mail, logs, the database's files, the temporary folder, and what the child process shows.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion
from tests.pki import CA, Issued
from tests.servicenodes.services.test_canary_key import PASSPHRASE, everything_stored, spellings

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[User], Client]
URL = "/bots/acme/certificates/import/"


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@contextmanager
def children_watched() -> Iterator[bytearray]:
    """Arguments and environment of all child processes that live meanwhile."""
    seen, done = bytearray(), threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            for child in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
                for pid in _text(child).split():
                    for name in (b"cmdline", b"environ"):
                        seen.extend(_text(Path(f"/proc/{pid.decode()}/{name.decode()}")) + b"\n")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def fail_at_the_sealed_key(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """The worst moment: the key is at hand, and the row is about to be written."""
    if sql.startswith("INSERT") and "sealedkey" in sql:
        raise RuntimeError("the disk is full")
    return execute(sql, params, many, context)


def look(client: Client, issued: Issued, passphrase: bytes = PASSPHRASE) -> bytes:
    """The preview."""
    files = [SimpleUploadedFile("canary.p12", issued.p12(PASSPHRASE))]
    return client.post(URL, {"files": files, "passphrase": passphrase.decode(), "name": "canary"}).content


def save(client: Client, preview: bytes) -> bytes:
    """The second step, with the sealed pile of the preview."""
    token = re.search(r'name="upload" value="([^"]+)"', preview.decode())
    assert token
    return client.post(URL, {"upload": token[1], "name": "canary", "save": "1"}).content


def by_command(folder: Path, issued: Issued, passphrase: bytes) -> None:
    bundle, secret = folder / "canary.p12", folder / "passphrase"
    bundle.write_bytes(issued.p12(PASSPHRASE))
    secret.write_bytes(passphrase)
    call_command("import_certificate", "acme/by-command", str(bundle), passphrase_file=secret)


def database_files() -> bytes:
    if connection.vendor != "sqlite":
        return everything_stored()
    name = Path(str(connection.settings_dict["NAME"]))
    return b"".join(_text(name.with_name(name.name + suffix)) for suffix in ("", "-wal")) + everything_stored()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="without /proc a child cannot be watched")
def test_no_door_and_no_failure_shows_the_key(
    sign_in: SignIn, manager: User, bot: Bot, settings: Settings, tmp_path: Path, own_temporary_folder: Path,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(0)
    settings.ADMINS = [("Operator", "operator@example.com")]
    root = CA.root()
    issued, refused = root.issue("canary.example"), root.issue("canary.example", eku=("serverAuth",))
    client = sign_in(manager)
    client.raise_request_exception = False
    with children_watched() as shown:
        pages = [look(client, issued, PASSPHRASE + b"!"), look(client, refused), look(client, issued)]
        pages.append(save(client, pages[1]))
        for debug in (False, True):
            settings.DEBUG = debug
            with connection.execute_wrapper(fail_at_the_sealed_key):
                pages.append(save(client, pages[2]))
        settings.DEBUG = False
        pages.append(save(client, pages[2]))
        with pytest.raises(SystemExit):
            by_command(tmp_path, issued, PASSPHRASE + b"!")
        by_command(tmp_path, issued, PASSPHRASE)
    pages.append(client.get("/bots/acme/certificates/canary/").content)

    assert b"the disk is full" in pages[5]  # the page for developers did tell
    assert CertificateVersion.objects.count() == 2
    assert b"limited_child" in shown
    output = capfd.readouterr()
    temporary = b"".join(_text(path) for path in own_temporary_folder.rglob("*"))
    sent = "".join(str(message.message()) for message in mail.outbox).encode()
    told = caplog.text.encode() + (output.out + output.err).encode() + sent
    everything = b"".join(pages) + database_files() + bytes(shown) + temporary + told
    assert f"{issued.certificate.serial_number:x}".encode() in everything  # the search does find what is there
    for secret_of in (issued, refused):
        assert [spelling for spelling in spellings(secret_of) if spelling in everything] == []
