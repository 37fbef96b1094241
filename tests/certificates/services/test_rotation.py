"""A version's life: which status follows which, rollbacks, guards, what is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, NotAllowed, NotFound, Stale
from certificates.errors import CredentialUnusable
from certificates.key_storage import load_keyring
from certificates.models import CertificateVersion, ClientCertificate, SealedKey, VersionStatus
from certificates.services.importing import import_certificate
from certificates.services.keys import Purpose, open_credential
from certificates.services.rotation import Rotation, destroy, promote, retire, roll_back
from tests.factories import add_version, make_certificate, make_node, make_version, upload
from tests.pki import CA

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
EXPIRED = {"not_before": NOW - timedelta(days=9), "not_after": NOW - timedelta(days=1)}
FUTURE = {"not_before": NOW + timedelta(days=1), "not_after": NOW + timedelta(days=9)}


def slot(bot: Bot | None, *statuses: str) -> ClientCertificate:
    """A certificate with versions 1, 2, … of these statuses, each with a key that nobody opens."""
    certificate = ClientCertificate.objects.create(bot=bot, name="bank")
    for number, status in enumerate(statuses, start=1):
        add(certificate, number, status)
    return certificate


def add(certificate: ClientCertificate, number: int, status: str, **fields: object) -> CertificateVersion:
    turn = number if status in {"active", "retired"} else None
    first = "draft" if status == "draft" else "retired"  # a destroyed one has no key from the beginning
    version = make_version(certificate, **{"number": number, "turn": turn, "status": first, **fields})
    if status != "destroyed":
        SealedKey.objects.create(version=version, envelope=b"sealed", key_id=load_keyring().active_key_id)
    CertificateVersion.objects.filter(pk=version.pk).update(status=status)
    return version


def statuses() -> list[str]:
    return list(CertificateVersion.objects.order_by("number").values_list("status", flat=True))


def keys() -> list[int]:
    return sorted(SealedKey.objects.values_list("version__number", flat=True))


ACTS: dict[str, Callable[..., Rotation]] = {"promote": promote, "retire": retire, "destroy": destroy}
# What a version, by its status, is after each act; None: refused.
TABLE: dict[str, dict[str, str | None]] = {
    "draft": {"promote": None, "retire": None, "destroy": "destroyed"},
    "staged": {"promote": "active", "retire": "retired", "destroy": None},
    "active": {"promote": "active", "retire": "retired", "destroy": None},
    "retired": {"promote": "active", "retire": "retired", "destroy": "destroyed"},
    "destroyed": {"promote": None, "retire": None, "destroy": "destroyed"},
}


@pytest.mark.parametrize("act", list(ACTS))
@pytest.mark.parametrize("status", list(TABLE))
def test_which_status_follows_which(operator: Actor, bot: Bot, status: str, act: str) -> None:
    certificate = slot(bot, status)
    after = TABLE[status][act]
    if after is None:
        with pytest.raises(Conflict) as refused:
            ACTS[act](actor=operator, certificate=certificate, number=1)
        assert refused.value.code == "wrong_status"
        assert refused.value.text.startswith("Version 1 of “acme/bank” ")
        assert statuses() == [status]
    else:
        done = ACTS[act](actor=operator, certificate=certificate, number=1)
        assert (statuses(), done.changed, done.was) == ([after], status != after, status)
    assert AuditEvent.objects.count() == (after not in {None, status})
    assert keys() == ([] if "destroyed" in {status, after} else [1])
    assert verify_trail().ok


def test_the_staged_version_takes_the_place_of_the_active_one(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired", "active", "staged")
    done = promote(actor=operator, certificate=certificate)
    assert statuses() == ["retired", "retired", "active"]
    assert (done.version.number, done.active_before, done.changed) == (3, 2, True)
    event = AuditEvent.objects.get()
    assert (event.action, event.object_name) == ("version.promoted", "acme/bank")
    nothing = "No service node presents this certificate, so nothing can break."
    facts = {"version": 3, "before": 2, "was": "staged", "forced": False, "allowed_findings": [], "proof": nothing}
    assert event.facts == facts


def test_nothing_is_staged(operator: Actor, bot: Bot) -> None:
    with pytest.raises(Conflict, match="no staged version") as refused:
        promote(actor=operator, certificate=slot(bot, "active"))
    assert refused.value.code == "none_staged"


@pytest.mark.parametrize(("dates", "code"), [(EXPIRED, "expired"), (FUTURE, "not_yet_valid")])
def test_what_is_not_valid_is_promoted_only_on_purpose(
    operator: Actor, bot: Bot, dates: dict[str, datetime], code: str
) -> None:
    certificate = slot(bot, "active")
    add(certificate, 2, "staged", **dates)
    with pytest.raises(Conflict) as refused:
        promote(actor=operator, certificate=certificate)
    assert (refused.value.code, statuses()) == (code, ["active", "staged"])
    promote(actor=operator, certificate=certificate, force=True)
    assert statuses() == ["retired", "active"]
    assert AuditEvent.objects.get().facts["forced"] is True


def test_without_a_key_nothing_is_promoted(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "active", "staged")
    SealedKey.objects.filter(version__number=2).delete()
    with pytest.raises(Conflict, match="no private key"):
        promote(actor=operator, certificate=certificate)


def test_rollbacks_go_back_and_never_forth(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired", "retired", "active")
    done = roll_back(actor=operator, certificate=certificate)
    assert (statuses(), done.version.number, done.active_before) == (["retired", "active", "retired"], 2, 3)
    roll_back(actor=operator, certificate=certificate)
    assert statuses() == ["active", "retired", "retired"]
    with pytest.raises(Conflict) as refused:
        roll_back(actor=operator, certificate=certificate)
    assert refused.value.code == "nothing_to_roll_back_to"
    promote(actor=operator, certificate=certificate, number=3)
    roll_back(actor=operator, certificate=certificate)
    assert statuses() == ["active", "retired", "retired"], "back to what version 3 replaced"
    facts = [(event.action, event.facts["before"]) for event in AuditEvent.objects.order_by("position")]
    assert [before for _, before in facts] == [3, 2, 1, 3]
    assert {action for action, _ in facts} == {"version.rolled_back", "version.promoted"}


def test_a_rollback_skips_what_was_never_presented_or_is_destroyed(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired", "retired", "staged", "active")
    retire(actor=operator, certificate=certificate, number=3)
    destroy(actor=operator, certificate=certificate, number=2)
    roll_back(actor=operator, certificate=certificate)
    assert statuses() == ["active", "destroyed", "retired", "retired"]


def test_no_rollback_to_a_certificate_that_has_expired(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired")
    add(certificate, 2, "retired", **EXPIRED)
    add(certificate, 3, "active")
    with pytest.raises(Conflict) as refused:
        roll_back(actor=operator, certificate=certificate)
    assert (refused.value.code, statuses()) == ("expired", ["retired", "retired", "active"])


def test_a_rollback_never_leads_to_what_was_retired_on_purpose(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired", "active")
    retire(actor=operator, certificate=certificate, number=2)
    done = roll_back(actor=operator, certificate=certificate)
    assert (statuses(), done.version.number, done.active_before) == (["active", "retired"], 1, None)


def test_imports_take_turns_with_promotions(operator: Actor, bot: Bot) -> None:
    root = CA.root()
    for stage in (False, True, False):
        import_certificate(
            actor=operator, owner=bot, name="bank", files=upload(root.issue("x")), passphrase=None, stage=stage
        )
    certificate = ClientCertificate.objects.get()
    assert statuses() == ["retired", "staged", "active"]
    promote(actor=operator, certificate=certificate)
    roll_back(actor=operator, certificate=certificate)
    assert statuses() == ["retired", "retired", "active"]
    roll_back(actor=operator, certificate=certificate)
    assert statuses() == ["active", "retired", "retired"]


def test_an_active_version_in_use_is_retired_only_on_purpose(
    operator: Actor, bot: Bot, other_bot: Bot, manager: User
) -> None:
    certificate = slot(None, "active")
    make_node(bot, "balance", certificate=certificate)
    make_node(other_bot, "secret", certificate=certificate)
    ClientCertificate.objects.update(is_default=True)
    with pytest.raises(Conflict) as refused:
        retire(actor=operator, certificate=certificate, number=1)
    assert refused.value.code == "in_use"
    assert "is the default of the platform" in refused.value.text
    assert "“acme/balance” and “globex/secret”" in refused.value.text
    retire(actor=operator, certificate=certificate, number=1, force=True)
    assert statuses() == ["retired"]
    assert AuditEvent.objects.get().facts == {"version": 1, "was": "active", "forced": True}


def test_a_destroyed_key_is_gone_and_the_facts_stay(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue("one"), status=VersionStatus.RETIRED)
    destroy(actor=operator, certificate=certificate, number=1)
    version = CertificateVersion.objects.get()
    assert not SealedKey.objects.exists()
    assert version.leaf_der
    assert "one" in version.subject
    facts = AuditEvent.objects.get().facts
    assert facts == {"version": 1, "was": "retired", "sha256": version.sha256, "spki_sha256": version.spki_sha256}


@pytest.mark.django_db(transaction=True)
def test_who_discards_a_request_destroys_no_version(operator: Actor, bot: Bot) -> None:
    """It was answered, replaced and retired since the page was opened."""
    certificate = slot(bot, "active", "retired")
    with pytest.raises(Conflict) as refused:
        destroy(actor=operator, certificate=certificate, number=2, only_draft=True)
    assert (refused.value.code, keys()) == ("wrong_status", [1, 2])


def test_a_destroyed_key_opens_no_more(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue("one"), status=VersionStatus.RETIRED)
    version = certificate.versions.get()
    assert open_credential(version=version, purpose=Purpose.CONNECTION_TEST, actor=operator)
    destroy(actor=operator, certificate=certificate, number=1)
    with pytest.raises(CredentialUnusable, match="was destroyed"):
        open_credential(version=version, purpose=Purpose.CONNECTION_TEST, actor=operator)


def test_two_who_saw_the_same_do_not_act_twice(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "retired", "retired", "active")
    seen = certificate.state
    roll_back(actor=operator, certificate=certificate, expected_state=seen)
    for act in (promote, retire, destroy):
        with pytest.raises(Stale):
            act(actor=operator, certificate=certificate, number=1, expected_state=seen)
    with pytest.raises(Stale):
        roll_back(actor=operator, certificate=certificate, expected_state=seen)
    assert statuses() == ["retired", "active", "retired"]


def test_who_may(bot: Bot, manager: User, developer: User) -> None:
    own, platforms = slot(bot, "retired", "active", "staged"), slot(None, "retired", "active", "staged")
    for user, certificate in ((developer, own), (manager, platforms)):
        actor = Actor.of(user)
        with pytest.raises(NotAllowed):
            roll_back(actor=actor, certificate=certificate)
        for act in ACTS.values():
            with pytest.raises(NotAllowed):
                act(actor=actor, certificate=certificate, number=1)
    promote(actor=Actor.of(manager), certificate=own)
    assert AuditEvent.objects.get().actor_name == "manager"


def test_what_is_not_there(operator: Actor, bot: Bot) -> None:
    certificate = slot(bot, "active")
    for act in ACTS.values():
        with pytest.raises(NotFound, match="no version 7"):
            act(actor=operator, certificate=certificate, number=7)
    add_version(certificate, CA.root().issue("one"), number=2, status=VersionStatus.STAGED)
    assert promote(actor=operator, certificate=certificate).changed
