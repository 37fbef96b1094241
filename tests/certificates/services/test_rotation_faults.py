"""Promotions and rollbacks that race or are killed: exactly one version is active at every instant."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict
from certificates.models import CertificateVersion, ClientCertificate, SealedKey
from certificates.services.importing import import_certificate
from certificates.services.rotation import destroy, promote, retire, roll_back
from tests.certificates.services.import_until_killed import KILLED
from tests.certificates.services.test_import_faults import in_threads
from tests.certificates.services.test_rotation import slot
from tests.factories import upload
from tests.pki import CA

pytestmark = pytest.mark.django_db(transaction=True)
MOST_WRITES = 12


def rows() -> list[tuple[object, ...]]:
    versions = CertificateVersion.objects.order_by("number").values_list("number", "status", "turn")
    return [*versions, ("keys", SealedKey.objects.count()), ("events", AuditEvent.objects.count())]


@pytest.mark.slow
@pytest.mark.parametrize("act", ["promote", "roll_back", "retire", "destroy"])
def test_killed_at_any_write_changes_nothing_or_everything(
    bot: Bot, product_environment: dict[str, str], act: str
) -> None:
    slot(bot, "retired", "active", "staged")
    before, kills = rows(), 0
    for n in range(1, MOST_WRITES):
        moment = "before" if n % 2 else "after"
        command = [sys.executable, "-m", "tests.certificates.services.rotate_until_killed", act, str(n), moment]
        done = subprocess.run(command, env=product_environment, capture_output=True, timeout=60)
        assert done.returncode in {0, KILLED}, done.stderr.decode()
        if done.returncode == 0:
            break
        kills += 1
        assert rows() == before, f"{act} killed at write {n}"
        assert verify_trail().ok
    assert kills >= 3  # the version, the trail's event and its head
    assert rows() != before
    assert AuditEvent.objects.count() == 1
    assert verify_trail().ok


def test_sixteen_at_once_leave_one_active(bot: Bot) -> None:
    certificate = slot(bot, "retired", "retired", "retired", "active", "staged")
    operator = Actor.operating_system()

    def turn(index: int) -> Callable[[], object]:
        if index % 2:
            return lambda: roll_back(actor=operator, certificate=certificate)
        return lambda: promote(actor=operator, certificate=certificate, number=index // 2 % 5 + 1)

    errors = in_threads(*(turn(index) for index in range(16)))

    assert {type(error) for error in errors} <= {type(None), Conflict}
    statuses = list(CertificateVersion.objects.values_list("status", flat=True))
    assert sorted(statuses) == ["active", *["retired"] * 4] or sorted(statuses) == [
        "active",
        *["retired"] * 3,
        "staged",
    ]
    assert AuditEvent.objects.exists()
    assert verify_trail().ok


def test_every_act_at_once(bot: Bot) -> None:
    certificate = slot(bot, "retired", "retired", "active", "staged")
    operator, root = Actor.operating_system(), CA.root()

    def of(act: Callable[..., object], **options: object) -> Callable[[], object]:
        return lambda: act(actor=operator, certificate=certificate, **options)

    files = [upload(root.issue("bot.example")) for _ in range(2)]
    acts = [
        *(of(promote, number=number) for number in (1, 2, 3, 4)),
        *(of(destroy, number=number) for number in (1, 2, 3, 4)),
        of(retire, number=3),
        of(retire, number=4),
        of(roll_back),
        *(
            lambda bundle=bundle: import_certificate(
                actor=operator, owner=bot, name="bank", files=bundle, passphrase=None
            )
            for bundle in files
        ),
    ]
    errors = in_threads(*acts)

    assert {type(error) for error in errors} <= {type(None), Conflict}
    versions = CertificateVersion.objects.order_by("number")
    assert versions.filter(status="active").count() <= 1, "none where the retirement came last"
    keyed = set(SealedKey.objects.values_list("version_id", flat=True))
    assert {version.pk for version in versions if version.status != "destroyed"} == keyed
    assert ClientCertificate.objects.count() == 1
    assert verify_trail().ok
