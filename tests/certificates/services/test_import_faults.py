"""Imports that are killed, and imports that race: nothing is ever half done."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict
from certificates.models import (
    CertificateVersion,
    ChainCertificate,
    ClientCertificate,
    SealedKey,
    TrustAnchor,
    TrustStore,
)
from certificates.services.defaults import set_default
from certificates.services.importing import import_certificate
from tests.certificates.services.import_until_killed import KILLED
from tests.factories import make_certificate, upload
from tests.pki import CA, Issued

pytestmark = pytest.mark.django_db(transaction=True)
MOST_WRITES = 40


def stored() -> tuple[int, ...]:
    counted = (ClientCertificate, CertificateVersion, ChainCertificate, SealedKey, AuditEvent)
    return tuple(model.objects.count() for model in counted)


def import_and_die(bundle: Path, n: int, moment: str, environment: dict[str, str], what: str = "certificate") -> int:
    module = "tests.certificates.services.import_until_killed"
    command = [sys.executable, "-m", module, str(bundle), str(n), moment, what]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert done.returncode in {0, KILLED}, done.stderr.decode()
    return done.returncode


@pytest.mark.slow
def test_killed_at_any_write_leaves_nothing_or_everything(
    tmp_path: Path, bot: Bot, product_environment: dict[str, str]
) -> None:
    bundle = tmp_path / "bundle.pem"
    issued = CA.root().intermediate("Test issuing CA").issue("bot.example")
    bundle.write_bytes(issued.chain_pem + issued.key_pem)

    kills = 0
    for n in range(1, MOST_WRITES):
        if import_and_die(bundle, n, "before" if n % 2 else "after", product_environment) == 0:
            break
        kills += 1
        assert stored() == (0, 0, 0, 0, 0), f"killed at write {n}"
        assert verify_trail().ok

    assert kills >= 8  # certificate, version, chain, key, default, and the trail's events with its head
    assert stored() == (1, 1, 1, 1, 3)
    assert verify_trail().ok
    assert import_and_die(bundle, 1, "before", product_environment) == 0, "it writes nothing the second time"


@pytest.mark.slow
def test_killed_at_any_write_of_a_trust_store_leaves_nothing_or_everything(
    tmp_path: Path, bot: Bot, product_environment: dict[str, str]
) -> None:
    bundle = tmp_path / "anchors.pem"
    bundle.write_bytes(CA.root("One").pem + CA.root("Two").pem)

    def anchors() -> tuple[int, ...]:
        return tuple(model.objects.count() for model in (TrustStore, TrustAnchor, AuditEvent))

    kills = 0
    for n in range(1, MOST_WRITES):
        if import_and_die(bundle, n, "before" if n % 2 else "after", product_environment, "trust-store") == 0:
            break
        kills += 1
        assert anchors() == (0, 0, 0), f"killed at write {n}"
        assert verify_trail().ok

    assert kills >= 4  # store, anchors, revision, and the trail's event with its head
    assert anchors() == (1, 2, 1)
    assert verify_trail().ok


def in_threads(*acts: object) -> list[BaseException | None]:
    """Run the acts at the same moment, each on a connection of its own."""
    barrier = threading.Barrier(len(acts))
    errors: list[BaseException | None] = [None] * len(acts)

    def run(index: int) -> None:
        try:
            barrier.wait()
            acts[index]()  # type: ignore[operator]
        except BaseException as error:
            errors[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def importer(bot: Bot | None, issued: Issued, name: str, *, make_default: bool = False) -> object:
    def act() -> None:
        import_certificate(
            actor=Actor.operating_system(),
            owner=bot,
            name=name,
            files=upload(issued),
            passphrase=None,
            make_default=make_default,
        )

    return act


def test_imports_into_one_name_at_once_get_numbers_of_their_own(bot: Bot) -> None:
    root = CA.root()
    errors = in_threads(*(importer(bot, root.issue("bot.example"), "bank") for _ in range(4)))

    assert errors == [None] * 4
    versions = CertificateVersion.objects.order_by("number").values_list("number", "status")
    assert list(versions) == [(1, "retired"), (2, "retired"), (3, "retired"), (4, "active")]
    assert SealedKey.objects.count() == 4
    assert verify_trail().ok


def test_the_same_material_at_once_is_stored_once(bot: Bot) -> None:
    issued = CA.root().issue("bot.example")
    assert in_threads(*(importer(bot, issued, "bank") for _ in range(4))) == [None] * 4
    assert CertificateVersion.objects.count() == 1
    assert AuditEvent.objects.count() == 2


@pytest.mark.parametrize("of_platform", [False, True])
def test_two_defaults_at_once_leave_one(bot: Bot, *, of_platform: bool) -> None:
    owner = None if of_platform else bot
    root = CA.root()
    acts = [importer(owner, root.issue("bot.example"), f"bank-{n}", make_default=True) for n in range(4)]

    assert in_threads(*acts) == [None] * 4
    assert ClientCertificate.objects.count() == 4
    assert ClientCertificate.objects.filter(is_default=True).count() == 1


def test_choosing_defaults_at_once_leaves_one(bot: Bot) -> None:
    certificates = [make_certificate(None) for _ in range(4)]
    acts = [
        lambda certificate=certificate: set_default(actor=Actor.operating_system(), certificate=certificate)
        for certificate in certificates
    ]
    errors = in_threads(*acts)
    assert {type(error) for error in errors} <= {type(None), Conflict}
    assert None in errors
    assert ClientCertificate.objects.filter(is_default=True).count() == 1
    assert verify_trail().ok
