"""Requests and replies that are killed or race: nothing is ever half done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from certificates.errors import BundleError
from certificates.models import CertificateRequest, CertificateVersion, ChainCertificate, ClientCertificate, SealedKey
from certificates.services.rotation import destroy
from tests.certificates.services.import_until_killed import KILLED
from tests.certificates.services.test_import_faults import importer, in_threads
from tests.certificates.services.test_requesting import ask, reply, sign, statuses
from tests.factories import make_certificate
from tests.pki import CA

pytestmark = pytest.mark.django_db(transaction=True)
MOST_WRITES = 20


def rows() -> list[object]:
    tables = (ClientCertificate, CertificateRequest, ChainCertificate, SealedKey, AuditEvent)
    return [statuses(), *(model.objects.count() for model in tables)]


def kill_at_each_write(act: str, answer: Path, environment: dict[str, str]) -> int:
    """How many writes there are; after each death all is as it was before."""
    before = rows()
    for n in range(1, MOST_WRITES):
        moment = "before" if n % 2 else "after"
        module = "tests.certificates.services.request_until_killed"
        command = [sys.executable, "-m", module, act, str(answer), str(n), moment]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
        assert done.returncode in {0, KILLED}, done.stderr.decode()
        if done.returncode == 0:
            return n - 1
        assert rows() == before, f"{act} killed at write {n}"
        assert verify_trail().ok
    raise AssertionError("more writes than expected")


@pytest.mark.slow
def test_a_request_killed_at_any_write_leaves_nothing_or_everything(
    tmp_path: Path, bot: Bot, product_environment: dict[str, str]
) -> None:
    kills = kill_at_each_write("request", tmp_path / "unused", product_environment)
    assert kills >= 8  # certificate, version, key, request, and twice an event and the trail's head
    assert rows() == [[(1, "draft")], 1, 1, 0, 1, 2]
    assert verify_trail().ok


@pytest.mark.slow
def test_a_reply_killed_at_any_write_leaves_nothing_or_everything(
    tmp_path: Path, bot: Bot, product_environment: dict[str, str]
) -> None:
    requested, answer = ask(bot), tmp_path / "reply.pem"
    answer.write_bytes(sign(CA.root().intermediate(), requested).chain_pem)
    kills = kill_at_each_write("complete", answer, product_environment)
    assert kills >= 4  # the version, its chain, the event and the trail's head
    assert rows() == [[(1, "active")], 1, 1, 1, 1, 3]
    assert verify_trail().ok


def test_requests_and_imports_at_once_get_numbers_of_their_own(bot: Bot) -> None:
    acts = [lambda: ask(bot) for _ in range(4)] + [importer(bot, CA.root().issue(), "bank") for _ in range(2)]
    assert in_threads(*acts) == [None] * 6
    assert sorted(status for _, status in statuses()) == ["active", *["draft"] * 4, "retired"]
    assert [number for number, _ in statuses()] == [1, 2, 3, 4, 5, 6]
    assert ClientCertificate.objects.count() == 1
    assert verify_trail().ok


def test_the_same_reply_at_once_is_taken_once(bot: Bot) -> None:
    make_certificate(bot, "bank", issued=CA.root().issue())
    requested = ask(bot)
    issued = sign(CA.root(), requested)
    done = []
    assert in_threads(*[lambda: done.append(reply(requested, issued.chain_pem)) for _ in range(4)]) == [None] * 4
    assert sorted(completion.changed for completion in done) == [False, False, False, True]
    assert statuses() == [(1, "active"), (2, "staged")]
    assert AuditEvent.objects.filter(action="version.completed").count() == 1


def test_a_reply_and_the_end_of_its_request_at_once(bot: Bot) -> None:
    requested = ask(bot)
    issued = sign(CA.root(), requested)
    acts: list[Callable[[], object]] = [
        lambda: reply(requested, issued.chain_pem),
        lambda: destroy(actor=Actor.operating_system(), certificate=requested.certificate, number=1, only_draft=True),
    ]
    answered, discarded = in_threads(*acts)
    version = CertificateVersion.objects.get()
    assert version.has_leaf == SealedKey.objects.exists() == (version.status == "active")
    assert (answered is None) == (discarded is not None) == version.has_leaf
    assert answered is None or isinstance(answered, BundleError)
    assert verify_trail().ok
