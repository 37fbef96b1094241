"""Rotating the keyring: everything is sealed again, old keys are dropped, and no row is left on a dropped key."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, NotAllowed
from botplatform.sealing import REFUSAL
from certificates import key_storage
from certificates.errors import EnvelopeBroken, Sealed
from certificates.key_storage import create_keyring, fitting_keyring, load_keyring, open_row, seal_into, sealed_reason
from certificates.models import RetiredKey, SealedKey
from certificates.pki.secret import Secret
from certificates.sealed_tables import sealed_models
from certificates.services import resealing, storing
from certificates.services.importing import import_certificate
from certificates.services.keys import Purpose, open_credential
from certificates.services.rekeying import prepare_key, rotate_keyring
from certificates.services.resealing import Progress, rows_on_each_key
from certificates.services.rotation import destroy, retire
from servicenodes.models import SealedHeader
from tests.api.caller import caller_of
from tests.certificates.commands.test_commands import run
from tests.certificates.sealed import fill, secrets
from tests.certificates.stored import store
from tests.factories import make_node, upload
from tests.pki import CA

pytestmark = pytest.mark.django_db


def rotate(**options: Any) -> Any:
    return rotate_keyring(actor=Actor.operating_system(), new_key=options.pop("new_key", True), **options)


def actions() -> list[str]:
    return list(
        AuditEvent.objects.filter(action__startswith="keyring.").order_by("position").values_list("action", flat=True)
    )


# --- What a rotation does ---------------------------------------------------------------------------------------------


def test_everything_is_on_the_new_key_and_the_old_one_is_gone(bot: Bot, key_file: Path) -> None:
    fill(bot, 12)
    old, before, told = load_keyring().active_key_id, secrets(), []
    envelopes = {bytes(row.envelope) for row in SealedKey.objects.all()}

    done = rotate(tell=lambda done, total: told.append((done, total)))

    assert (done.added, done.active, done.dropped, done.kept, done.left) == (done.active, done.active, (old,), (), ())
    others = ("certificates.IssuerSecret", "notifications.WebhookEndpoint", "servicenodes.SealedHeader")
    assert done.resealed == {"certificates.SealedKey": 12} | dict.fromkeys(others, 1)
    assert told[-1] == (15, 15)
    assert load_keyring().key_ids == (done.active,)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert list(key_file.parent.iterdir()) == [key_file]
    assert secrets() == before
    assert not envelopes & {bytes(row.envelope) for row in SealedKey.objects.all()}
    assert actions() == [
        "keyring.key_added",
        *["keyring.resealed"] * 4,
        "keyring.key_retired",
        "keyring.key_dropped",
    ]
    assert verify_trail().ok


def test_without_anything_to_do_nothing_changes(bot: Bot, key_file: Path) -> None:
    fill(bot, 2)
    before = key_file.stat()
    done = rotate(new_key=False)
    assert (done.added, done.resealed, done.dropped) == (None, {}, ())
    assert key_file.stat() == before
    assert not AuditEvent.objects.exists()


def test_a_row_that_does_not_open_is_named_and_keeps_its_key(bot: Bot, key_file: Path) -> None:
    issued = CA.root().issue("bot.example")
    versions = [store(issued, bot=bot, name=f"bank-{number}") for number in range(3)]
    old = load_keyring().active_key_id
    SealedKey.objects.filter(version=versions[1]).update(envelope=b"BPE1 damaged")

    done = rotate()
    assert done.resealed["certificates.SealedKey"] == 2
    assert [(row.name, row.key_id) for row in done.left] == [("private key of acme/bank-1 version 1", old)]
    assert (done.dropped, done.kept) == ((), (old,))
    assert load_keyring().key_ids == (old, done.active)
    assert not RetiredKey.objects.exists(), "what is needed may still be written"

    retire(actor=Actor.operating_system(), certificate=versions[1].certificate, number=1, force=True)
    destroy(actor=Actor.operating_system(), certificate=versions[1].certificate, number=1)
    again = rotate(new_key=False)
    assert (again.resealed, again.left, again.dropped) == ({}, (), (old,))


def test_what_is_written_is_verified_before_it_counts(
    bot: Bot, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seal that went wrong takes the batch back."""
    fill(bot, 2)
    before, original = secrets(), key_storage.reseal

    def wrong(row: Any) -> Any:
        fresh = original(row)
        return type(fresh)(fresh.envelope, fresh.key_id, Secret(b"another"))

    monkeypatch.setattr(key_storage, "reseal", wrong)
    with pytest.raises(EnvelopeBroken, match="taken back"):
        rotate()
    monkeypatch.undo()
    assert secrets() == before
    assert rotate(new_key=False).dropped


def test_rows_changed_or_destroyed_meanwhile_are_left_alone(bot: Bot, key_file: Path) -> None:
    fill(bot, 3)
    key_file.write_text(load_keyring().with_new_key().dump())
    rows, (changed, destroyed, same) = (list(SealedKey.objects.order_by("pk")) for _ in range(2))
    progress = Progress(Actor.operating_system(), lambda done, total: None, 3)
    fresh = resealing._seal_again(progress, rows)
    seal_into(changed, Secret(b"newer"))
    changed.save()
    destroyed.delete()
    assert resealing._store(progress, SealedKey, fresh) == 1
    assert open_row(SealedKey.objects.get(pk=changed.pk)).reveal() == b"newer"
    assert not SealedKey.objects.filter(pk=destroyed.pk).exists()
    assert SealedKey.objects.get(pk=same.pk).key_id == load_keyring().active_key_id


def test_who_may_not(bot: Bot, key_file: Path, auditor: User) -> None:
    before = key_file.read_bytes()
    for act in (prepare_key, rotate_keyring):
        with pytest.raises(NotAllowed):
            act(actor=Actor.of(auditor))
    assert key_file.read_bytes() == before


# --- Races with others ------------------------------------------------------------------------------------------------


def test_a_row_read_before_the_rotation_opens_after_it(bot: Bot, key_file: Path) -> None:
    fill(bot, 1)
    before = secrets()
    rows: list[Any] = [row for model in sealed_models() for row in model._default_manager.all()]
    rotate()
    rotate()
    assert {row.pk: open_row(row).reveal() for row in rows} == before


def test_a_rotation_between_two_looks_does_not_seal_the_console(
    bot: Bot, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bot, 1)
    looks = [load_keyring()]
    rotate()
    monkeypatch.setattr(key_storage, "load_keyring", lambda: looks.pop() if looks else load_keyring())
    assert sealed_reason() is None
    assert not looks


def test_the_database_refuses_what_was_sealed_before_the_rotation(bot: Bot, key_file: Path) -> None:
    version = store(CA.root().issue("bot.example"), bot=bot)
    node = make_node(bot)
    header, late = SealedHeader(node=node, name="X-Api-Key"), SealedKey.objects.get(version=version)
    seal_into(header, Secret(b"secret"))
    rotate()
    with pytest.raises(IntegrityError, match="retired meanwhile"), transaction.atomic():
        header.save()
    with pytest.raises(IntegrityError, match="retired meanwhile"), transaction.atomic():
        late.save()  # as it was: on the old key
    late.refresh_from_db()
    late.save()
    assert open_credential(version=version, purpose=Purpose.INVOKE, actor=Actor.platform())


def test_an_import_overtaken_by_a_rotation_seals_again(
    bot: Bot, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., Any] = storing._seal
    overtaken: list[object] = []

    def seal(*arguments: Any) -> Any:
        sealed = original(*arguments)
        if not overtaken:
            overtaken.append(rotate())
        return sealed

    monkeypatch.setattr(storing, "_seal", seal)
    files = upload(CA.root().issue("bot.example"))
    done = import_certificate(actor=Actor.operating_system(), owner=bot, name="bank", files=files, passphrase=None)
    assert overtaken
    assert done.changed
    assert SealedKey.objects.get().key_id == load_keyring().active_key_id


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a header has been sealed, its key is retired before it is stored."""
    original = SealedHeader.save

    def save(row: SealedHeader, **options: Any) -> None:
        RetiredKey.objects.get_or_create(pk=row.key_id)
        original(row, **options)

    monkeypatch.setattr(SealedHeader, "save", save)


@pytest.mark.usefixtures("overtaken", "key_file")
def test_whoever_is_overtaken_is_told_so(bot: Bot, administrator: User, sign_in: Callable[[User], Client]) -> None:
    make_node(bot, "pay")
    change = {"sealed_headers": {"X-Api-Key": "secret"}}
    answer = caller_of(administrator)("PATCH", "/bots/acme/nodes/pay", change)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "The keyring was rotated at the same moment" in answer.json()["detail"]
    form = {"name": "Pay", "slug": "pay-2", "url": "https://api.bank.example/", "method": "GET", "min_tls": "1.2"}
    form |= {"timeout_s": "9", "sealed_headers": "X-Api-Key: secret"}
    page = sign_in(administrator).post("/bots/acme/nodes/new/", form)
    assert page.status_code == 409
    assert "The keyring was rotated at the same moment" in page.content.decode()
    assert not SealedHeader.objects.exists()


@pytest.mark.usefixtures("key_file")
def test_a_command_that_is_overtaken_ends_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise IntegrityError(REFUSAL)

    monkeypatch.setattr("certificates.management.commands.rotate_keyring.rotate_keyring", refuse)
    ran = run("rotate_keyring")
    assert (ran.code, ran.err) == (2, "The keyring was rotated at the same moment. Nothing was saved: do it again.")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_who_wrote_and_has_not_committed_is_waited_for(bot: Bot, key_file: Path) -> None:
    version = store(CA.root().issue("bot.example"), bot=bot)
    key = SealedKey.objects.get(version=version)
    key.delete()
    old, outcome = load_keyring().active_key_id, []

    def run() -> None:
        outcome.append(rotate())
        connection.close()

    rotation = threading.Thread(target=run)
    with transaction.atomic():
        key.save(force_insert=True)  # on the old key; nobody else sees it yet
        rotation.start()
        rotation.join(timeout=1.5)
        assert rotation.is_alive()
    rotation.join(timeout=30)
    assert outcome[0].dropped == (old,)
    assert outcome[0].resealed == {"certificates.SealedKey": 1}
    assert open_credential(version=version, purpose=Purpose.INVOKE, actor=Actor.platform())


def test_an_old_copy_of_the_key_file_seals_the_console(bot: Bot, key_file: Path) -> None:
    fill(bot, 1)
    copy = key_file.read_text()
    rotate()
    for model in sealed_models():
        model._default_manager.all().delete()  # what is stored does not betray it
    key_file.write_text(copy)
    with pytest.raises(Sealed, match="old copy"):
        fitting_keyring()
    with pytest.raises(Sealed, match="old copy"):
        rotate()


def test_a_keyring_that_does_not_open_everything_is_not_rotated(bot: Bot, key_file: Path) -> None:
    fill(bot, 1)
    SealedKey.objects.all().delete()
    key_file.unlink()
    create_keyring(key_file)
    with pytest.raises(Sealed, match="wrong one"):
        rotate()
    assert len(load_keyring().key_ids) == 1


# --- The key file -----------------------------------------------------------------------------------------------------


def test_hosts_with_copies_get_the_key_before_it_is_used(bot: Bot, key_file: Path) -> None:
    fill(bot, 1)
    old, before = load_keyring().active_key_id, secrets()
    prepared = prepare_key(actor=Actor.operating_system())
    assert (load_keyring().key_ids, load_keyring().active_key_id) == ((old, prepared), old)
    copy = key_file.read_text()
    assert rotate(new_key=False).resealed == {}, "the prepared key stays prepared"
    done = rotate()
    assert (done.active, done.added, done.dropped) == (prepared, prepared, (old,))
    key_file.write_text(copy)
    assert secrets() == before, "the other host reads on with its copy"


def test_one_rotation_at_a_time(bot: Bot, key_file: Path) -> None:
    folder = os.open(key_file.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="Another rotation"):
            rotate()
    finally:
        os.close(folder)
    assert rotate().dropped


def test_a_link_stays_a_link_and_half_files_go(bot: Bot, key_file: Path, settings: Settings, tmp_path: Path) -> None:
    settings.KEYRING_FILE = tmp_path / "link"
    settings.KEYRING_FILE.symlink_to(key_file)
    (key_file.parent / ".keyring.json.new").write_text("half a file of a process that was killed")
    done = rotate()
    assert settings.KEYRING_FILE.is_symlink()
    assert done.active in key_file.read_text()
    assert list(key_file.parent.iterdir()) == [key_file]


def test_a_file_that_cannot_be_replaced_changes_nothing(
    bot: Bot, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bot, 1)
    before = rows_on_each_key()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Sealed, match="cannot be replaced: No space left"):
        rotate()
    monkeypatch.undo()
    assert rows_on_each_key() == before
    assert list(key_file.parent.iterdir()) == [key_file]
    assert not AuditEvent.objects.exists()


# --- The triggers -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_triggers_leave_and_come_with_the_migration(bot: Bot, key_file: Path) -> None:
    call_command("migrate", "certificates", "0007", verbosity=0)
    try:
        node = make_node(bot)
        header = SealedHeader(node=node, name="X-Api-Key", envelope=b"any", key_id="any")
        header.save()
        header.delete()
    finally:
        call_command("migrate", verbosity=0)
    RetiredKey.objects.create(pk="any")
    with pytest.raises(IntegrityError), transaction.atomic():
        header.save(force_insert=True)
