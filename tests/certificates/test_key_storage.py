"""The key file in each of its states, sealed keys, and sealed uploads."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import DjangoAssertNumQueries, Settings

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from botplatform.errors import InvalidInput
from botplatform.notifications.services.webhooks import add_endpoint
from certificates import key_storage
from certificates.errors import EnvelopeBroken, Sealed
from certificates.key_storage import (
    create_keyring,
    fitting_keyring,
    load_keyring,
    open_upload,
    seal_private_key,
    seal_upload,
    sealed_reason,
)
from certificates.keyring.keyring import Keyring
from certificates.models import SealedKey
from certificates.pki.secret import Secret
from tests.certificates.stored import store
from tests.pki import CA

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    """A fresh key file of this test's own."""
    path = tmp_path / "keyring.json"
    create_keyring(path)
    settings.KEYRING_FILE = path
    return path


# --- The file ---------------------------------------------------------------------------------------------------------


def test_created_file_is_private_and_loads(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert load_keyring().dump() == key_file.read_text()


def test_created_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    for number, umask in enumerate((0, 0o777)):
        old = os.umask(umask)
        try:
            create_keyring(tmp_path / str(number))
        finally:
            os.umask(old)
        assert (tmp_path / str(number)).stat().st_mode & 0o777 == 0o600


def test_a_keyring_is_never_replaced(key_file: Path) -> None:
    before = key_file.read_bytes()
    with pytest.raises(Sealed, match="never replaced"):
        create_keyring(key_file)
    link = key_file.with_name("link")
    link.symlink_to(key_file.with_name("nowhere"))
    with pytest.raises(Sealed):
        create_keyring(link)
    assert key_file.read_bytes() == before


def test_a_keyring_cannot_be_made_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(Sealed, match="cannot be made"):
        create_keyring(tmp_path / "missing" / "keyring.json")


def test_it_is_read_once_and_again_when_it_changed(key_file: Path) -> None:
    first = load_keyring()
    assert load_keyring() is first
    replacement = key_file.with_name("new")
    both = first.with_new_key()
    replacement.write_text(both.dump())
    replacement.chmod(0o600)
    replacement.rename(key_file)
    assert load_keyring().key_ids == both.key_ids


def remove(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def wrong_check_value(path: Path) -> None:
    path.write_text(path.read_text().replace('"check": "', '"check": "0'))


STATES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (remove, "There is no keyring file at"),
    "folder": (folder, "is not a regular file"),
    "pipe": (pipe, "is not a regular file"),
    "loop": (loop, "cannot be read"),
    "group may read": (lambda path: path.chmod(0o640), "run chmod 600"),
    "all may read": (lambda path: path.chmod(0o604), "run chmod 600"),
    "others may write": (lambda path: path.chmod(0o602), "run chmod 600"),
    "empty": (lambda path: path.write_text(""), "not JSON"),
    "truncated": (lambda path: path.write_text(path.read_text()[:-20]), "cut off"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe" * 40), "damaged"),
    "huge": (lambda path: path.write_bytes(b" " * 100_000), "too large"),
    "wrong key": (wrong_check_value, "check value"),
}


@pytest.mark.parametrize("state", STATES)
def test_each_bad_state_seals_with_its_reason(db: None, key_file: Path, state: str) -> None:
    damage, sentence = STATES[state]
    assert sealed_reason() is None
    damage(key_file)
    with pytest.raises(Sealed, match=sentence):
        load_keyring()
    assert sentence in str(sealed_reason())
    assert [message.id for message in run_checks(tags=["security"]) if message.id == "certificates.W001"]


def test_read_only_for_its_owner_is_fine(key_file: Path) -> None:
    key_file.chmod(0o400)
    assert load_keyring()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_seals(key_file: Path) -> None:
    os.chown(key_file, 12345, -1)
    with pytest.raises(Sealed, match="belongs to user 12345"):
        load_keyring()


def test_an_unknown_provider_seals(db: None, key_file: Path, settings: Settings) -> None:
    settings.KEY_PROVIDER = "vault"
    assert "KEY_PROVIDER" in str(sealed_reason())


# --- The wrong keyring ------------------------------------------------------------------------------------------------


def test_a_valid_keyring_of_another_installation_is_sealed(key_file: Path, bot: Bot) -> None:
    version = store(CA.root().issue("client"), bot=bot)
    assert sealed_reason() is None
    key_file.unlink()
    create_keyring(key_file)
    assert "wrong one" in str(sealed_reason())
    before = SealedKey.objects.count()
    with pytest.raises(Sealed, match="wrong one"):
        seal_private_key(version=version, private_key=Secret(b"key"))
    assert SealedKey.objects.count() == before
    assert [message.id for message in run_checks(tags=["database"], databases=["default"])] == ["certificates.W003"]


def test_any_secret_tells_a_wrong_keyring(key_file: Path, bot: Bot, operator: Actor) -> None:
    """Without a single private key. Otherwise more would be sealed with it, and no rotation could mend that."""
    add_endpoint(actor=operator, owner=bot, url="https://a.example/x")
    key_file.unlink()
    create_keyring(key_file)
    assert "wrong one" in str(sealed_reason())
    with pytest.raises(Sealed, match="wrong one"):
        add_endpoint(actor=operator, owner=bot, url="https://b.example/x")


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_a_foreign_key_id_is_found_wherever_it_sorts(
    key_file: Path, bot: Bot, place: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ring = load_keyring().with_new_key().with_new_key()
    key_file.write_text(ring.dump())
    os.utime(key_file, ns=(1, 1))
    version = store(CA.root().issue("client"), bot=bot)
    assert sealed_reason() is None
    low, _, high = sorted(ring.key_ids)
    foreign = {"before": "a", "between": f"{low}0", "after": f"{high}0"}[place]
    SealedKey.objects.filter(version=version).update(key_id=foreign)
    with django_assert_num_queries(1), pytest.raises(Sealed, match=foreign):
        fitting_keyring()


# --- Uploads ----------------------------------------------------------------------------------------------------------


def sealed(payload: bytes = b"payload") -> str:
    return seal_upload(payload, user_id=7, purpose="import", expires_at=NOW + timedelta(minutes=15))


@pytest.mark.parametrize("payload", [b"", b"\0" * 3, bytes(range(256)) * 2000])
def test_upload_comes_back(payload: bytes) -> None:
    token = sealed(payload)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")
    assert open_upload(token, user_id=7, purpose="import", now=NOW) == payload


def test_upload_is_not_in_its_token() -> None:
    token = sealed(b"canary: seven calm otters")
    assert b"otters" not in base64.urlsafe_b64decode(token)


def test_upload_expires() -> None:
    token = sealed()
    open_upload(token, user_id=7, purpose="import", now=NOW + timedelta(minutes=14, seconds=59))
    for late in (timedelta(minutes=15), timedelta(days=1)):
        with pytest.raises(InvalidInput, match="expired; choose the files again"):
            open_upload(token, user_id=7, purpose="import", now=NOW + late)


@pytest.mark.parametrize(("user_id", "purpose"), [(8, "import"), (7, "trust_store"), ("", "import")])
def test_upload_of_another_user_or_purpose_does_not_open(user_id: object, purpose: str) -> None:
    with pytest.raises(InvalidInput):
        open_upload(sealed(), user_id=user_id, purpose=purpose, now=NOW)


@pytest.mark.parametrize("token", ["", "x", "ü", "\0", "A" * 1001, "QlBFMQ==", "\ud800"])
def test_junk_is_not_an_upload(token: str) -> None:
    with pytest.raises(InvalidInput):
        open_upload(token, user_id=7, purpose="import", now=NOW)


def test_altered_upload_does_not_open() -> None:
    token = sealed()
    for position in range(0, len(token), 7):
        altered = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        with pytest.raises(InvalidInput):
            open_upload(altered, user_id=7, purpose="import", now=NOW)


def test_upload_sealed_with_another_keyring_has_expired(key_file: Path) -> None:
    token = sealed()
    key_file.unlink()
    create_keyring(key_file)
    with pytest.raises(InvalidInput):
        open_upload(token, user_id=7, purpose="import", now=NOW)
    key_file.unlink()
    with pytest.raises(Sealed):
        open_upload(token, user_id=7, purpose="import", now=NOW)


def test_an_upload_does_not_open_as_a_private_key(bot: Bot) -> None:
    version = store(CA.root().issue("client"), bot=bot)
    row = SealedKey.objects.get(version=version)
    row.envelope = base64.urlsafe_b64decode(sealed())
    with pytest.raises(EnvelopeBroken):
        key_storage.open_private_key(version=version, sealed_key=row)


def test_creation_killed_at_any_instant_leaves_no_usable_half(tmp_path: Path) -> None:
    """A process killed before the content is written leaves a file that seals, and says so."""
    code = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        import django
        django.setup()
        from certificates.keyring.keyring import Keyring
        from certificates import key_storage
        Keyring.dump = lambda self: os.kill(os.getpid(), 9)
        key_storage.create_keyring(Path(sys.argv[1]))
    """)
    path = tmp_path / "keyring.json"
    subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True)
    assert path.stat().st_size == 0
    with pytest.raises(Sealed):
        Keyring.load(path.read_text())
