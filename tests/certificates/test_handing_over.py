"""The hand-over pack through its doors: page, zip, command, HTTP API."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, VersionStatus
from tests.api.caller import caller_of
from tests.certificates.commands.test_commands import run
from tests.factories import add_version, make_certificate
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
BANK = "/bots/acme/certificates/bank"


@pytest.fixture
def bank(bot: Bot) -> ClientCertificate:
    """Version 1 active, version 2 staged with another CA, version 3 retired."""
    certificate = make_certificate(bot, "bank", issued=CA.root("Old root").intermediate().issue("old.example"))
    add_version(certificate, CA.root("New root").issue("new.example"), number=2, status=VersionStatus.STAGED)
    add_version(certificate, CA.root().issue("past.example"), number=3, status=VersionStatus.RETIRED)
    return certificate


def test_the_page_and_the_zip(sign_in: SignIn, viewer: User, stranger: User, bank: ClientCertificate) -> None:
    client = sign_in(viewer)
    assert f"{BANK}/versions/1/hand-over/" in client.get(bank.get_absolute_url()).content.decode()
    page = client.get(f"{BANK}/versions/2/hand-over/").content.decode()
    assert "CN=new.example" in page
    assert f"{BANK}/versions/1/hand-over/" in page
    answer = client.get(f"{BANK}/versions/2/hand-over.zip")
    assert answer["Content-Disposition"] == 'attachment; filename="hand-over-acme-bank-version-2.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert b"acme/bank, version 2 (staged)" in archive.read("README.txt")
    for page_or_zip in ("hand-over/", "hand-over.zip"):
        assert client.get(f"{BANK}/versions/3/{page_or_zip}").status_code == 409
        assert client.get(f"{BANK}/versions/4/{page_or_zip}").status_code == 404
        assert client.get(f"{BANK}/versions/{10**30}/{page_or_zip}").status_code == 404
        assert sign_in(stranger).get(f"{BANK}/versions/1/{page_or_zip}").status_code == 404


@pytest.mark.usefixtures("bank")
def test_the_http_api_gives_the_same_zip(sign_in: SignIn, viewer: User, stranger: User) -> None:
    call = caller_of(viewer)
    answer = call("GET", f"{BANK}/versions/1/hand-over")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer.content == sign_in(viewer).get(f"{BANK}/versions/1/hand-over.zip").content
    refused = call("GET", f"{BANK}/versions/3/hand-over")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_status")
    assert call("GET", f"{BANK}/versions/4/hand-over").status_code == 404
    assert caller_of(stranger)("GET", f"{BANK}/versions/1/hand-over").status_code == 404


@pytest.mark.usefixtures("bank")
def test_the_command(tmp_path: Path) -> None:
    told = run("hand_over", "acme/bank")
    assert (told.code, "acme/bank, version 1 (active)" in told.out) == (0, True)
    assert "certificate of “Old root” from the CA" in told.err  # the import did not hold the root
    target = tmp_path / "pack.zip"
    written = run("hand_over", "acme/bank", "--version", "staged", "--output", target)
    assert (written.code, written.out) == (0, "")
    assert b"version 2 (staged)" in zipfile.ZipFile(target).read("README.txt")
    retired = run("hand_over", "acme/bank", "--version", 3)
    assert (retired.code, "is retired" in retired.err) == (2, True)
    nowhere = run("hand_over", "acme/bank", "--output", tmp_path / "no" / "pack.zip")
    assert (nowhere.code, "cannot be written" in nowhere.err) == (2, True)
