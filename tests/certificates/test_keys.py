"""A key is opened in one place, for a purpose, on the record; and never found in the database."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent, AuditHead
from botplatform.bots.models import Bot
from certificates.errors import CredentialUnusable, EnvelopeBroken, KeyringError, Sealed
from certificates.key_storage import create_keyring
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, VersionStatus
from certificates.services.keys import Purpose, open_credential
from certificates.services.requesting import request
from certificates.services.rotation import destroy
from tests.certificates.stored import store
from tests.database import triggers_set_aside
from tests.pki import CA, Issued


@pytest.fixture(scope="module")
def issued() -> Issued:
    return CA.root().intermediate("Outer CA").intermediate("Inner CA").issue("client.example")


@pytest.fixture
def version(issued: Issued, bot: Bot) -> CertificateVersion:
    return store(issued, bot=bot)


def open_it(version: CertificateVersion, actor: Actor | None = None) -> Any:
    return open_credential(version=version, purpose=Purpose.CONNECTION_TEST, actor=actor or Actor.platform())


@pytest.mark.parametrize("key", ["rsa-2048", "ec-p256", "ec-p384", "ec-p521", "ed25519", "ed448"])
def test_credential_is_what_was_stored(bot: Bot, key: str) -> None:
    issued = CA.root().intermediate("Issuing CA").issue("client.example", key=key)
    credential = open_it(store(issued, bot=bot))
    assert credential.leaf == issued.certificate
    assert credential.chain == issued.chain
    assert credential.private_key.public_key() == issued.private_key.public_key()
    assert (credential.label, credential.version) == ("acme/api", 1)


def test_chain_is_in_sending_order_without_the_root(issued: Issued, version: CertificateVersion) -> None:
    assert open_it(version).chain == issued.chain
    assert len(issued.chain) == 2


def test_platform_certificate(db: None, issued: Issued) -> None:
    assert open_it(store(issued, bot=None)).label == "platform/api"
    assert AuditEvent.objects.get().bot_id is None


def test_every_opening_is_on_record(version: CertificateVersion, developer: User, bot: Bot) -> None:
    for count in (1, 2, 3):
        open_it(version, Actor.of(developer))
        assert AuditEvent.objects.count() == count
    event = AuditEvent.objects.latest("position")
    assert (event.action, event.actor_name, event.bot_id) == ("key.opened", "developer", bot.pk)
    assert (event.object_type, event.object_id) == ("certificate", str(version.certificate_id))
    assert event.facts == {"purpose": "connection_test", "version": 1, "sha256": version.sha256}


def test_no_record_no_key(version: CertificateVersion) -> None:
    with triggers_set_aside():
        AuditHead.objects.all().delete()
    with pytest.raises(AuditHead.DoesNotExist):
        open_it(version)


def test_a_purpose_outside_the_closed_list_opens_nothing(version: CertificateVersion) -> None:
    with pytest.raises(ValueError, match="is not a valid Purpose"):
        open_credential(version=version, purpose="curiosity", actor=Actor.platform())  # type: ignore[arg-type]
    assert not AuditEvent.objects.exists()


def test_the_record_cannot_be_rolled_back_by_the_caller(version: CertificateVersion) -> None:
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        open_it(version)


def test_unusable_versions_say_why(bot: Bot) -> None:
    version = request(actor=Actor.platform(), owner=bot, name="api", subject="CN=client").version
    with pytest.raises(CredentialUnusable, match="is a draft"):
        open_it(version)
    destroy(actor=Actor.platform(), certificate=version.certificate, number=version.number)
    with pytest.raises(CredentialUnusable, match="was destroyed"):
        open_it(version)
    assert not AuditEvent.objects.filter(action="key.opened").exists()


@pytest.mark.parametrize("status", [VersionStatus.STAGED, VersionStatus.RETIRED])
def test_versions_beside_the_active_one_open(issued: Issued, bot: Bot, status: VersionStatus) -> None:
    assert open_it(store(issued, bot=bot, status=status))


def test_missing_key_says_so(version: CertificateVersion) -> None:
    SealedKey.objects.all().delete()
    with pytest.raises(CredentialUnusable, match="has no private key"):
        open_it(version)


# --- Moved and swapped ciphertexts ------------------------------------------------------------------------------------


def test_ciphertext_moved_anywhere_does_not_open(issued: Issued, bot: Bot, other_bot: Bot) -> None:
    """The same certificate in other rows: another name, another version, another bot, the platform."""
    source = store(issued, bot=bot)
    others = [
        store(issued, bot=bot, name="other"),
        store(issued, bot=bot, number=2, status=VersionStatus.STAGED),
        store(issued, bot=other_bot),
        store(issued, bot=None),
    ]
    envelope = SealedKey.objects.get(version=source).envelope
    for other in others:
        assert open_it(other)
        SealedKey.objects.filter(version=other).update(envelope=envelope)
        with pytest.raises(EnvelopeBroken):
            open_it(other)


def test_a_row_moved_to_another_version_does_not_open(issued: Issued, bot: Bot) -> None:
    source, other = store(issued, bot=bot), store(issued, bot=bot, name="other")
    SealedKey.objects.filter(version=other).delete()
    SealedKey.objects.filter(version=source).update(version=other)
    with pytest.raises(EnvelopeBroken):
        open_it(other)


def test_a_certificate_given_to_another_owner_does_not_open(version: CertificateVersion, other_bot: Bot) -> None:
    with triggers_set_aside():
        ClientCertificate.objects.filter(pk=version.certificate_id).update(bot=other_bot)
    with pytest.raises(EnvelopeBroken):
        open_it(version)


def test_a_renumbered_version_does_not_open(version: CertificateVersion) -> None:
    with triggers_set_aside():
        CertificateVersion.objects.filter(pk=version.pk).update(number=2)
    with pytest.raises(EnvelopeBroken):
        open_it(version)


def test_a_key_that_does_not_fit_the_leaf_is_refused(version: CertificateVersion) -> None:
    other = CA.root().issue("other.example")
    with triggers_set_aside():
        CertificateVersion.objects.filter(pk=version.pk).update(leaf_der=other.der)
    with pytest.raises(CredentialUnusable, match="does not belong"):
        open_it(version)


def test_unreadable_leaf_is_refused(version: CertificateVersion) -> None:
    with triggers_set_aside():
        CertificateVersion.objects.filter(pk=version.pk).update(leaf_der=b"junk")
    with pytest.raises(CredentialUnusable, match="cannot be read"):
        open_it(version)


# --- A stolen database ------------------------------------------------------------------------------------------------


def test_all_open_with_the_keyring_and_none_without(bot: Bot, tmp_path: Path, settings: Settings) -> None:
    ca = CA.root()
    versions = [store(ca.issue(f"client-{number}"), bot=bot, name=f"api-{number}") for number in range(20)]
    assert sum(opens(version) for version in versions) == 20
    own, settings.KEYRING_FILE = settings.KEYRING_FILE, tmp_path / "missing.json"
    assert sum(opens(version) for version in versions) == 0
    create_keyring(tmp_path / "other.json")
    settings.KEYRING_FILE = tmp_path / "other.json"
    assert sum(opens(version) for version in versions) == 0
    settings.KEYRING_FILE = own
    assert sum(opens(version) for version in versions) == 20


def opens(version: CertificateVersion) -> bool:
    with contextlib.suppress(KeyringError):
        return bool(open_it(version))
    return False


def test_sealed_is_the_reason_without_a_keyring(version: CertificateVersion, settings: Settings) -> None:
    settings.KEYRING_FILE = "/nowhere/keyring.json"
    with pytest.raises(Sealed, match="There is no keyring file"):
        open_it(version)


@pytest.mark.django_db(transaction=True)
def test_a_dump_of_the_database_holds_the_key_in_no_encoding(
    issued: Issued, tmp_path: Path, django_db_serialized_rollback: None
) -> None:
    version = store(issued, bot=Bot.objects.create(slug="acme", name="Acme"))
    open_it(version)
    dump = database_bytes(tmp_path)
    assert version.sha256.encode() in dump  # it does hold the row
    for encoding in encodings(issued):
        assert encoding not in dump


def database_bytes(folder: Path) -> bytes:
    """Everything the database would leak: a JSON dump, every table as text, and SQLite's own files."""
    call_command("dumpdata", output=str(folder / "dump.json"), verbosity=0)
    content = (folder / "dump.json").read_bytes()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            content += b"\n".join(_raw(value) for row in cursor.fetchall() for value in row)
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        content += b"".join(Path(name + end).read_bytes() for end in ("", "-wal") if Path(name + end).exists())
    return content


def _raw(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def encodings(issued: Issued) -> list[bytes]:
    """The private key as an intruder might search for it: raw, hexadecimal, base64 at each offset, PEM, number."""
    der = issued.key_pkcs8_der
    number = issued.private_key.private_numbers().private_value  # type: ignore[union-attr]
    scalar = number.to_bytes(32, "big")
    found = [scalar, der, str(number).encode(), issued.key_pem.splitlines()[1]]
    for raw in (scalar, der):
        found += [raw.hex().encode(), raw.hex().upper().encode()]
        for offset in range(3):
            # The first and last letters depend on what surrounds the key.
            found.append(base64.b64encode(bytes(offset) + raw)[4:-4])
            found.append(base64.urlsafe_b64encode(bytes(offset) + raw)[4:-4])
    return found


def test_the_search_would_find_a_key(issued: Issued) -> None:
    for encoding in encodings(issued):
        assert len(encoding) >= 32
    wrapped = base64.b64encode(b"x" + issued.key_pkcs8_der + os.urandom(5))
    assert any(encoding in wrapped for encoding in encodings(issued))


def test_the_record_of_an_opening_is_refused_by_a_full_disk_with_no_key_out(version: CertificateVersion) -> None:
    """The database refuses the audit row; the caller gets its error, never the credential."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent RENAME TO elsewhere")
    try:
        with pytest.raises(DatabaseError):
            open_it(version)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO audit_auditevent")
