"""`rotate_keyring`: output, exit codes, progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management.base import OutputWrapper
from pytest_django import Settings

from botplatform.bots.models import Bot
from certificates.key_storage import create_keyring, load_keyring
from certificates.management.progress import ProgressBar
from certificates.models import SealedKey
from tests.certificates.commands.test_commands import run
from tests.certificates.sealed import fill

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, settings: Settings) -> Path:
    settings.KEYRING_FILE = tmp_path / "keyring.json"
    create_keyring(settings.KEYRING_FILE)
    return Path(settings.KEYRING_FILE)


def test_a_new_key(bot: Bot) -> None:
    fill(bot, 2)
    old = load_keyring().active_key_id
    ran = run("rotate_keyring", "--new-key")
    new = load_keyring().active_key_id
    assert ran.code == 0
    assert ran.out == (
        f"The new key {new} is active.\n5 rows sealed again with {new}.\n"
        f"Dropped {old} from the keyring: nothing is sealed with it any more.\n"
    )
    assert "5 of 5\n" in ran.err
    assert "Back up the keyring file now." in ran.err
    again = run("rotate_keyring")
    assert (again.code, again.out, again.err) == (0, f"0 rows sealed again with {new}.\n", "")


def test_rows_that_do_not_open_end_with_one(bot: Bot) -> None:
    fill(bot, 1)
    old, key = load_keyring().active_key_id, SealedKey.objects.get()
    SealedKey.objects.update(envelope=b"BPE1 damaged")
    ran = run("rotate_keyring", "--new-key", "--json")
    assert ran.code == 1
    assert ran.err.endswith("1 row could not be sealed again.\n")
    new = load_keyring().active_key_id
    document = ran.document
    assert document["left"][0].pop("reason")
    assert document == {
        "active": new,
        "added": new,
        "resealed": dict.fromkeys(
            ("certificates.IssuerSecret", "notifications.WebhookEndpoint", "servicenodes.SealedHeader"), 1
        ),
        "left": [
            {
                "table": "certificates.SealedKey",
                "object_id": str(key.pk),
                "name": "private key of acme/bank-0 version 1",
                "key_id": old,
            }
        ],
        "dropped": [],
        "kept": [old],
    }
    told = run("rotate_keyring")
    assert told.code == 1
    assert f"Not sealed again: private key of acme/bank-0 version 1 (certificates.SealedKey {key.pk}" in told.out
    assert f"Kept {old} in the keyring: rows are sealed with it." in told.out


def test_sealed_ends_with_two(key_file: Path) -> None:
    key_file.unlink()
    ran = run("rotate_keyring", "--new-key")
    assert ran.code == 2
    assert "There is no keyring file" in ran.err
    assert not key_file.exists()


def test_prepare() -> None:
    ran = run("rotate_keyring", "--prepare", "--json")
    assert (ran.code, ran.document) == (0, {"prepared": load_keyring().prepared_key_ids[0]})
    assert run("rotate_keyring", "--prepare").out == f"Prepared {load_keyring().prepared_key_ids[1]}.\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (Terminal(), f"\r{'█' * 20}{'░' * 20} 1,000 of 2,000\r{'█' * 40} 2,000 of 2,000\n"),
        (io.StringIO(), "1,000 of 2,000\n2,000 of 2,000\n"),
    ],
    ids=["terminal", "file"],
)
def test_progress(stream: io.StringIO, shown: str) -> None:
    bar = ProgressBar(OutputWrapper(stream))
    for done in (1000, 1001, 2000):
        if done != 1001 or not stream.isatty():
            bar.tell(done, 2000)
    bar.end()
    assert stream.getvalue() == shown
