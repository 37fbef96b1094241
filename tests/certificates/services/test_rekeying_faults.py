"""Rotations of the keyring that are killed or disturbed: no row is lost, the next run completes, reads never fail."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import pre_save

from botplatform.accounts.actors import Actor
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from certificates import key_storage
from certificates.key_storage import load_keyring, seal_into
from certificates.models import CertificateVersion, RetiredKey, SealedKey
from certificates.pki.secret import Secret
from certificates.services.keys import Purpose, open_credential
from certificates.services.rekeying import rotate_keyring
from certificates.services.resealing import rows_on_each_key
from servicenodes.models import SealedHeader
from tests.certificates.sealed import fill, secrets
from tests.certificates.services.import_until_killed import KILLED
from tests.factories import make_certificate, make_node, make_version

pytestmark = pytest.mark.django_db(transaction=True)
MOST_WRITES = 80
LONGEST_S = 0.6  # until the kill, however slow the machine
KILLS, KEYS = 50 if connection.vendor == "postgresql" else 10, 200
Order = Callable[[str], int]


@pytest.fixture
def order(key_file: Path, product_environment: dict[str, str], tmp_path: Path) -> Iterator[Order]:
    """`order("new write 3 before")` rotates in a process that dies there, and returns its exit code."""
    command = [sys.executable, "-m", "tests.certificates.services.rotate_keyring_and_die"]
    environment = {**product_environment, "KEYRING_FILE": str(key_file)}
    errors = tmp_path / "errors"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):

        def give(text: str) -> int:
            assert process.stdin
            assert process.stdout
            process.stdin.write(text + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer.strip() in {"0", "-9", str(KILLED)}, answer + errors.read_text()
            return int(answer)

        yield give


def assert_complete(before: dict[object, bytes]) -> None:
    ring = load_keyring()
    assert ring.key_ids == (ring.active_key_id,)
    assert {key for counts in rows_on_each_key().values() for key in counts} == {ring.active_key_id}
    assert secrets() == before


@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL is killed at random points")
def test_killed_at_any_write_loses_nothing_and_the_next_run_completes(bot: Bot, order: Order, key_file: Path) -> None:
    fill(bot, 6)
    before, kills = secrets(), 0
    for n in range(1, MOST_WRITES):
        outcome = order(f"new write {n} {'before' if n % 2 else 'after'}")
        assert secrets() == before, f"killed at write {n}"
        assert verify_trail().ok
        if outcome == 0:
            break
        kills += 1
        assert order("resume write 0 before") == 0
        assert_complete(before)
        assert list(key_file.parent.iterdir()) == [key_file], "no half file with keys in it is left behind"
    assert outcome == 0
    assert kills >= 9 + 2 * 5 + 6 + 4  # rows, batches, records of keys, files


@pytest.mark.slow
def test_killed_at_random_points_while_others_read(bot: Bot, order: Order) -> None:
    fill(bot, KEYS)
    before, dice, hits = secrets(), random.Random(20261127), 0
    assert order("new write 0 before") == 0  # the process needs a moment to begin
    begun = time.monotonic()
    assert order("new write 0 before") == 0
    whole = min(time.monotonic() - begun, LONGEST_S)
    with reading() as failures:
        for _ in range(KILLS):
            kind = "resume" if load_keyring().old_key_ids else "new"
            hits += order(f"{kind} kill {dice.uniform(0.05, 0.7) * whole:.3f}") == -9
            assert secrets() == before
    assert not failures
    assert order("resume write 0 before") == 0
    assert_complete(before)
    assert verify_trail().ok
    assert hits >= KILLS // 3, "many of them died at work"


@contextmanager
def reading() -> Iterator[list[BaseException]]:
    """Somebody opens keys on the record all the time; the list holds what went wrong, and is empty."""
    failures: list[BaseException] = []
    opened, stop = 0, threading.Event()

    def read() -> None:
        nonlocal opened
        try:
            versions = list(CertificateVersion.objects.all()[:20])
            while not stop.wait(0.02):
                open_credential(version=versions[opened % 20], purpose=Purpose.INVOKE, actor=Actor.platform())
                opened += 1
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()
    assert opened > KILLS


def test_a_damaged_row_that_comes_at_the_last_moment_keeps_its_key(bot: Bot, key_file: Path) -> None:
    fill(bot, 1)
    late, old = make_version(make_certificate(bot, "late"), number=2, status="retired"), load_keyring().active_key_id

    def meanwhile(**_: Any) -> None:
        SealedKey.objects.get_or_create(version=late, defaults={"envelope": b"BPE1 damaged", "key_id": old})

    pre_save.connect(meanwhile, sender=RetiredKey)
    try:
        done = rotate_keyring(actor=Actor.operating_system(), new_key=True)
    finally:
        pre_save.disconnect(meanwhile, sender=RetiredKey)
    assert (done.dropped, done.kept, load_keyring().key_ids) == ((), (old,), (old, done.active))


def test_a_secret_that_is_replaced_while_it_is_sealed_again_stays_replaced(
    bot: Bot, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a host that still seals with the old key: the key of the row does not tell."""
    row, original = SealedHeader(node=make_node(bot), name="X-Api-Key"), key_storage.reseal
    envelopes = []
    for secret in (b"old", b"new"):
        seal_into(row, Secret(secret))
        envelopes.append(row.envelope)
    row.envelope = envelopes[0]
    row.save()

    def reseal(read: Any) -> Any:
        fresh = original(read)
        if len(envelopes) > 1:
            SealedHeader.objects.update(envelope=envelopes.pop())
        return fresh

    monkeypatch.setattr(key_storage, "reseal", reseal)
    assert rotate_keyring(actor=Actor.operating_system(), new_key=True).resealed == {"servicenodes.SealedHeader": 1}
    assert key_storage.open_row(SealedHeader.objects.get()).reveal() == b"new"
