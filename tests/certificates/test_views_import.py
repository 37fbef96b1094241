"""Importing in the browser's two steps, without JavaScript: look, then save."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings
from time_machine import Traveller

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate
from certificates.services import uploads
from tests.factories import make_certificate, make_node
from tests.pki import CA, Issued

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
URL = "/bots/acme/certificates/import/"
TOKEN = re.compile(r'name="upload" value="([^"]+)"')


@pytest.fixture(scope="module")
def issued() -> Issued:
    return CA.root("Bank root").intermediate("Bank issuing CA").issue("acme-bot")


def p12(issued: Issued) -> SimpleUploadedFile:
    return SimpleUploadedFile("mail.p12", issued.p12(b"open sesame"))


def look(client: Client, issued: Issued, **fields: Any) -> str:
    values = {"files": [p12(issued)], "passphrase": "open sesame", "name": "bank-api", **fields}
    answer = client.post(URL, {name: value for name, value in values.items() if value is not None})
    return str(answer.content.decode())


def token_of(page: str) -> str:
    found = TOKEN.search(page)
    assert found, page
    return found[1]


def told_by(page: str) -> str:
    found = re.search(r'name="told" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_the_preview_shows_what_was_found_and_saves_nothing(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    page = look(sign_in(manager), issued)
    assert "Found: acme-bot" in page
    assert "Bank issuing CA" in page
    assert "<dd>ECDSA with SHA-256</dd>" in page
    assert not ClientCertificate.objects.exists()


def test_the_preview_says_what_making_it_the_default_would_change(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    assert "No service node presents anything else by that" in look(client, issued)
    make_certificate(None, "hosted", is_default=True)
    make_node(bot, "balance")
    page = look(client, issued)
    assert "As the default, 1 service node would present it instead of platform/hosted" in page
    assert "/bots/acme/nodes/balance/" in page


def test_the_second_step_saves_what_the_first_one_showed(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    fields = {"upload": token_of(look(client, issued)), "name": "bank-api", "make_default": "on", "save": "1"}
    page = client.post(URL, fields, follow=True)
    assert page.redirect_chain[-1][0] == "/bots/acme/certificates/bank-api/"
    assert "saved as version 1" in page.content.decode()
    version = CertificateVersion.objects.get()
    assert (version.certificate.is_default, version.created_by) == (True, "manager")
    assert version.chain.count() == 1
    seen = look(client, issued)
    again = client.post(URL, {**fields, "upload": token_of(seen), "told": told_by(seen)}, follow=True)
    assert "holds this material already" in again.content.decode()


def test_an_import_under_a_name_that_is_there_says_what_it_replaces_before_it_does(
    sign_in: SignIn, manager: User, bot: Bot, other_bot: Bot, issued: Issued
) -> None:
    there = make_certificate(bot, "bank-api", issued=CA.root().issue("api.life", san=("api.life",)))
    make_node(bot, "balance", certificate=there)
    client = sign_in(manager)
    page = look(client, issued)
    means = "acme/bank-api is there already: this becomes its version 2 and takes the place of version 1."
    assert means in page
    assert "1 service node presents it from then on, unless you only stage it." in page
    assert "that of version 1 is “CN=api.life" in page
    assert "alternative names of version 1 are missing: api.life" in page
    fields = {"upload": token_of(page), "name": "bank-api", "save": "1"}
    page = client.post(URL, fields).content.decode()
    assert "Nothing is saved yet" in page
    assert means in page
    assert there.versions.count() == 1
    fields |= {"upload": token_of(page), "told": told_by(page)}
    page = client.post(URL, fields, follow=True).content.decode()
    assert "acme/bank-api is saved as version 2" in page
    codes = [found["code"] for found in there.versions.get(number=2).findings]
    assert {"subject_changed", "names_missing"} <= set(codes)


def test_a_name_typed_at_the_second_step_is_told_too(sign_in: SignIn, manager: User, bot: Bot, issued: Issued) -> None:
    there = make_certificate(bot, "taken", issued=issued)
    client = sign_in(manager)
    page = look(client, issued)
    assert "is there already" not in page
    page = client.post(URL, {"upload": token_of(page), "name": "taken", "save": "1"}).content.decode()
    assert "Nothing is saved yet" in page
    assert "No service node presents it." in page
    assert there.versions.count() == 1


def test_the_sealed_pile_leaks_nothing_and_touches_no_session(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    page = look(client, issued)
    assert "open sesame" not in page
    assert "PRIVATE KEY" not in page
    assert set(Session.objects.get().get_decoded()) == {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}
    assert "no-store" in client.get(URL).headers["Cache-Control"]


def test_a_pile_of_somebody_else_or_altered_is_refused(
    sign_in: SignIn, manager: User, owner: User, bot: Bot, issued: Issued
) -> None:
    token = token_of(look(sign_in(manager), issued))
    for wrong in (token, token[:-6] + "AAAAA=", "nonsense", "ü"):
        answer = sign_in(owner).post(URL, {"upload": wrong, "name": "bank-api", "save": "1"})
        assert answer.status_code == 422
        assert "id_files_error" in answer.content.decode()
    assert not ClientCertificate.objects.exists()


def test_a_pile_expires(sign_in: SignIn, manager: User, bot: Bot, issued: Issued, clock: Traveller) -> None:
    client = sign_in(manager)
    token = token_of(look(client, issued))
    clock.shift(uploads.LIFETIME + timedelta(seconds=1))
    assert client.post(URL, {"upload": token, "name": "bank-api", "save": "1"}).status_code == 422
    assert not ClientCertificate.objects.exists()


def test_a_wrong_passphrase_is_told_and_the_files_are_kept(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    page = look(client, issued, passphrase="wrong")
    assert "id_passphrase_error" in page
    assert 'value="bank-api"' in page
    assert "mail.p12" in page
    page = client.post(
        URL, {"upload": token_of(page), "passphrase": "open sesame", "name": "bank-api"}
    ).content.decode()
    assert "Found: acme-bot" in page


def test_a_refusing_finding_needs_its_tick(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    page = look(client, CA.root().expired("old-bot"))
    assert "Refused unless you insist" in page
    assert 'name="allow" value="expired"' in page
    fields = {"upload": token_of(page), "name": "bank-api", "save": "1"}
    refused = client.post(URL, fields)
    assert refused.status_code == 422
    assert "id_allow_error" in refused.content.decode()
    saved = client.post(URL, {**fields, "upload": token_of(refused.content.decode()), "allow": "expired"}, follow=True)
    assert "insisted on: expired" in saved.content.decode()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"files": None}, "id_files_error"),
        ({"name": ""}, "id_name_error"),
        ({"files": [SimpleUploadedFile("junk.bin", b"junk")]}, "id_files_error"),
        ({"files": [SimpleUploadedFile("empty.pem", b"")]}, "id_files_error"),
    ],
)
def test_errors_stand_beside_their_field(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued, fields: dict[str, Any], error: str
) -> None:
    assert error in look(sign_in(manager), issued, **fields)


def test_a_name_that_is_none_is_told_before_saving_ends(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    token = token_of(look(client, issued))
    answer = client.post(URL, {"upload": token, "name": "Not A Slug", "save": "1"})
    assert answer.status_code == 422
    assert "id_name_error" in answer.content.decode()
    assert 'value="Not A Slug"' in answer.content.decode()


@pytest.mark.parametrize("step", ["look", "save"])
@pytest.mark.parametrize("name", ["", "Not A Slug", "Bänk Straße", "import"])
def test_a_mistyped_name_is_told_at_once_and_does_not_cost_the_files(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued, name: str, step: str
) -> None:
    client = sign_in(manager)
    if step == "look":
        page = look(client, issued, name=name)
    else:
        page = client.post(URL, {"upload": token_of(look(client, issued)), "name": name, "save": "1"}).content.decode()
    assert "id_name_error" in page
    assert "Already here: mail.p12" in page
    again = client.post(URL, {"upload": token_of(page), "name": "bank-api", "look": "1"})
    assert "Found: acme-bot" in again.content.decode()


PASSPHRASE_KEPT = "What you typed is kept with the files, sealed."
TYPE_AGAIN = "Type it again: a page never repeats a secret."


def test_all_that_is_wrong_is_told_at_once_and_the_passphrase_is_kept_with_the_files(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued
) -> None:
    client = sign_in(manager)
    page = look(client, issued, name="", passphrase="wrong")
    assert "id_name_error" in page
    assert "The passphrase does not open mail.p12" in page
    page = look(client, issued, name="", files=[SimpleUploadedFile("junk.bin", b"junk")])
    assert "id_name_error" in page
    assert "junk.bin is neither PEM" in page

    page = look(client, issued, name="")
    assert (PASSPHRASE_KEPT in page, TYPE_AGAIN in page, "open sesame" in page) == (True, False, False)
    again = client.post(URL, {"upload": token_of(page), "name": "bank-api", "look": "1"})
    assert "Found: acme-bot" in again.content.decode()
    page = look(client, issued, files=None)
    assert "id_files_error" in page
    assert (PASSPHRASE_KEPT in page, TYPE_AGAIN in page, "open sesame" in page) == (False, True, False)


def test_an_error_names_the_file_once(sign_in: SignIn, manager: User, bot: Bot, issued: Issued) -> None:
    page = look(sign_in(manager), issued, passphrase=None)
    told = page[page.index("id_passphrase_error") :]
    assert told[: told.index("</div>")].count("mail.p12") == 1


def test_a_sealed_console_says_so(
    sign_in: SignIn, manager: User, bot: Bot, issued: Issued, settings: Settings, tmp_path: Path
) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    client = sign_in(manager)
    page = client.get(URL).content.decode()
    assert "no private key can be stored" in page
    assert 'type="file"' not in page
    assert "sealed" in client.get("/").content.decode()


@pytest.mark.parametrize("role", ["viewer", "developer", "auditor"])
def test_who_may_not_import_gets_403(sign_in: SignIn, bot: Bot, role: str, request: pytest.FixtureRequest) -> None:
    assert sign_in(request.getfixturevalue(role)).get(URL).status_code == 403
