"""Importing: all or nothing, versions, findings insisted on, defaults, the sealed state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput, NotAllowed, NotFound
from certificates.errors import BundleError, ImportRefused, Sealed
from certificates.models import CertificateVersion, ChainRole, ClientCertificate, SealedKey, VersionStatus
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret
from certificates.services import storing
from certificates.services.importing import ImportResult, import_certificate, preview
from certificates.services.rotation import retire
from tests.factories import make_certificate, make_node, upload
from tests.pki import CA, Issued

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def issued() -> Issued:
    return CA.root().intermediate("Test issuing CA").issue("bot.example")


def run(actor: Actor, owner: Bot | None, issued: Issued, name: str = "bank", **options: object) -> ImportResult:
    return import_certificate(
        actor=actor,
        owner=owner,
        name=name,
        files=upload(issued),
        passphrase=None,
        **options,  # type: ignore[arg-type]
    )


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def nothing_stored() -> bool:
    return not any(model.objects.exists() for model in (ClientCertificate, CertificateVersion, SealedKey, AuditEvent))


def test_the_first_import_makes_certificate_and_active_version(operator: Actor, bot: Bot, issued: Issued) -> None:
    result = run(operator, bot, issued)

    version = CertificateVersion.objects.get()
    assert result.changed
    assert result.version == version
    assert (version.number, version.status) == (1, VersionStatus.ACTIVE)
    assert version.certificate.path == "acme/bank"
    assert bytes(version.leaf_der) == issued.der
    assert [(row.position, row.role) for row in version.chain.all()] == [(1, ChainRole.INTERMEDIATE)]
    assert SealedKey.objects.get().version == version
    assert issued.key_pkcs8_der not in bytes(SealedKey.objects.get().envelope)
    assert actions() == ["certificate.created", "version.imported"]


def test_the_same_material_again_changes_nothing(operator: Actor, bot: Bot, issued: Issued) -> None:
    first = run(operator, bot, issued)
    events = AuditEvent.objects.count()
    again = run(operator, bot, issued)

    assert not again.changed
    assert again.version == first.version
    assert CertificateVersion.objects.count() == 1
    assert AuditEvent.objects.count() == events


def test_a_pkcs12_of_the_same_material_changes_nothing_either(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    again = import_certificate(
        actor=operator,
        owner=bot,
        name="bank",
        files=[UploadedFile("bank.p12", issued.p12(b"open sesame"))],
        passphrase=Secret(b"open sesame"),
    )
    assert not again.changed


def test_new_material_retires_the_version_before(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    run(operator, bot, CA.root().issue("bot.example"))

    versions = CertificateVersion.objects.order_by("number").values_list("number", "status")
    assert list(versions) == [(1, "retired"), (2, "active")]


def test_a_staged_version_leaves_the_active_one_alone(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    renewal = CA.root().issue("bot.example")
    staged = run(operator, bot, renewal, stage=True)

    assert staged.version is not None
    assert staged.version.status == VersionStatus.STAGED
    assert not run(operator, bot, renewal, stage=True).changed
    assert list(CertificateVersion.objects.order_by("number").values_list("status", flat=True)) == ["active", "staged"]


def test_importing_staged_material_without_stage_promotes_it(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    renewal = CA.root().issue("bot.example")
    run(operator, bot, renewal, stage=True)
    promoted = run(operator, bot, renewal)

    assert promoted.changed
    assert list(CertificateVersion.objects.order_by("number").values_list("status", flat=True)) == ["retired", "active"]
    assert actions()[-1] == "version.promoted"


def test_a_promotion_tells_what_was_insisted_on(operator: Actor, bot: Bot) -> None:
    insisted = frozenset({"client_auth_missing"})
    server_only = CA.root().issue("bot.example", eku=("serverAuth",))
    run(operator, bot, server_only, stage=True, allow=insisted)
    run(operator, bot, server_only, allow=insisted)
    assert AuditEvent.objects.get(action="version.promoted").facts["allowed_findings"] == ["client_auth_missing"]


def test_another_staged_version_takes_the_place_of_the_first(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued, stage=True)
    run(operator, bot, CA.root().issue("bot.example"), stage=True)

    assert list(CertificateVersion.objects.order_by("number").values_list("status", flat=True)) == ["retired", "staged"]


def test_retired_material_comes_back_as_a_new_version(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    run(operator, bot, CA.root().issue("bot.example"))
    assert run(operator, bot, issued).version == CertificateVersion.objects.get(number=3)


def test_the_default_moves_and_is_on_record(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued, name="first", make_default=True)
    second = run(operator, bot, CA.root().issue("bot.example"), name="second", make_default=True)

    assert list(ClientCertificate.objects.filter(is_default=True)) == [second.certificate]
    assert AuditEvent.objects.filter(action="certificate.default_set").first().facts == {"before": "acme/first"}  # type: ignore[union-attr]


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_only_staged_does_not_become_the_default(
    operator: Actor, bot: Bot, issued: Issued, *, dry_run: bool
) -> None:
    run(operator, bot, issued, make_default=True)
    with pytest.raises(Conflict, match="no active version"):
        run(operator, bot, issued, name="next", stage=True, make_default=True, dry_run=dry_run)
    assert list(ClientCertificate.objects.values_list("name", "is_default")) == [("bank", True)]


def test_known_material_can_become_the_default(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued)
    result = run(operator, bot, issued, make_default=True)

    assert result.changed
    assert ClientCertificate.objects.get().is_default
    assert not run(operator, bot, issued, make_default=True).changed


def test_the_platform_has_names_of_its_own(operator: Actor, bot: Bot, issued: Issued) -> None:
    run(operator, bot, issued, make_default=True)
    result = run(operator, None, issued, make_default=True)

    assert result.certificate is not None
    assert result.certificate.path == "platform/bank"
    assert ClientCertificate.objects.filter(is_default=True).count() == 2


def test_a_refusing_finding_must_be_allowed_and_is_kept(operator: Actor, bot: Bot) -> None:
    server_only = CA.root().issue("bot.example", eku=("serverAuth",))
    with pytest.raises(ImportRefused) as refused:
        run(operator, bot, server_only)
    assert refused.value.findings == ("client_auth_missing",)
    assert nothing_stored()

    result = run(operator, bot, server_only, allow=frozenset({"client_auth_missing", "expired"}))

    assert result.version is not None
    assert result.version.allowed_findings == ["client_auth_missing"]
    assert "client_auth_missing" in {found["code"] for found in result.version.findings}
    event = AuditEvent.objects.get(action="version.imported")
    assert event.facts["allowed_findings"] == ["client_auth_missing"]


def test_files_without_a_key_are_refused_with_the_reason(operator: Actor, bot: Bot, issued: Issued) -> None:
    with pytest.raises(BundleError) as refused:
        import_certificate(
            actor=operator,
            owner=bot,
            name="bank",
            files=[UploadedFile("leaf.pem", issued.cert_pem)],
            passphrase=None,
        )
    assert refused.value.code == "no_private_key"
    assert refused.value.inspection.leaf.sha256
    assert nothing_stored()


@pytest.mark.parametrize("name", ["", "Bank", "a/b", "a--b", "a" * 64, "ünï", "bank\n", "import"])
def test_a_bad_name_is_refused(operator: Actor, bot: Bot, issued: Issued, name: str) -> None:
    with pytest.raises(InvalidInput):
        run(operator, bot, issued, name=name)
    assert nothing_stored()


def test_a_dry_run_stores_nothing(operator: Actor, bot: Bot, issued: Issued) -> None:
    result = run(operator, bot, issued, dry_run=True)
    assert result.changed
    assert result.certificate is None
    assert nothing_stored()

    unimportable = run(operator, bot, CA.root().expired("bot.example"), dry_run=True)
    assert not unimportable.changed
    assert "expired" in unimportable.inspection.refusing


def test_a_dry_run_foresees_that_nothing_could_be_sealed(
    operator: Actor, bot: Bot, issued: Issued, settings: Settings, tmp_path: Path
) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    with pytest.raises(Sealed):
        run(operator, bot, issued, dry_run=True)


def test_without_a_keyring_nothing_is_written(
    operator: Actor, bot: Bot, issued: Issued, settings: Settings, tmp_path: Path
) -> None:
    settings.KEYRING_FILE = tmp_path / "missing.json"
    with pytest.raises(Sealed):
        run(operator, bot, issued)
    assert nothing_stored()


def test_a_bot_that_is_gone_is_not_found(operator: Actor, issued: Issued) -> None:
    with pytest.raises(NotFound):
        run(operator, Bot(slug="gone", name="Gone"), issued)
    assert nothing_stored()


def test_who_may_import(bot: Bot, other_bot: Bot, issued: Issued, manager: User, developer: User, viewer: User) -> None:
    for user in (developer, viewer):
        with pytest.raises(NotAllowed):
            run(Actor.of(user), bot, issued)
        with pytest.raises(NotAllowed):
            preview(actor=Actor.of(user), owner=bot, files=upload(issued), passphrase=None)
    for foreign in (other_bot, None):
        with pytest.raises(NotAllowed):
            run(Actor.of(manager), foreign, issued)
    assert nothing_stored()
    assert run(Actor.of(manager), bot, issued).changed
    assert CertificateVersion.objects.get().created_by == "manager"


def test_what_is_not_valid_yet_does_not_replace_what_is(operator: Actor, bot: Bot, issued: Issued) -> None:
    now = timezone.now()
    later = CA.root().issue("bot.example", not_before=now + timedelta(days=30), not_after=now + timedelta(days=60))
    first = run(operator, bot, issued).version
    foreseen = run(operator, bot, later, dry_run=True)
    result = run(operator, bot, later)

    assert first is not None
    assert result.version is not None
    assert (first.certificate.active_version, result.version.status) == (first, VersionStatus.STAGED)
    day = f"{now + timedelta(days=30):%Y-%m-%d}"
    assert result.note.startswith(f"It is staged: it is not valid before {day}")
    assert (foreseen.note, foreseen.changed) == (result.note.replace("It is staged", "It would be staged"), True)
    again = run(operator, bot, later)
    assert (again.changed, again.note, again.version) == (False, "", result.version)


def test_it_takes_the_place_of_what_has_expired(operator: Actor, bot: Bot) -> None:
    now, day = timezone.now(), timedelta(days=1)
    make_certificate(bot, "bank").versions.update(not_before=now - 9 * day, not_after=now - day)
    later = CA.root().issue("bot.example", not_before=now + day, not_after=now + 60 * day)
    files = upload(later)
    result = import_certificate(actor=operator, owner=bot, name="bank", files=files, passphrase=None)
    assert result.version is not None
    assert (result.version.status, result.note) == (VersionStatus.ACTIVE, "")


def test_what_was_retired_meanwhile_is_not_promoted(
    operator: Actor, bot: Bot, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, original = run(operator, bot, issued, stage=True).version, storing.make_plan
    assert staged is not None

    def plan(order: storing.Order) -> storing.Plan:
        made = original(order)
        if made.promote:
            retire(actor=operator, certificate=staged.certificate, number=1)
        return made

    monkeypatch.setattr(storing, "make_plan", plan)
    assert run(operator, bot, issued).changed
    assert list(CertificateVersion.objects.order_by("number").values_list("status", flat=True)) == ["retired", "active"]
    assert "version.promoted" not in actions()


def test_in_a_new_slot_it_is_active_with_the_warning(operator: Actor, bot: Bot) -> None:
    now = timezone.now()
    later = CA.root().issue("bot.example", not_before=now + timedelta(days=30), not_after=now + timedelta(days=60))
    result = run(operator, bot, later)

    assert result.version is not None
    assert (result.version.status, result.note) == (VersionStatus.ACTIVE, "")
    assert "not_yet_valid" in [finding.code for finding in result.inspection.findings]


def test_a_dry_run_says_whose_place_it_would_take(bot: Bot, operator: Actor) -> None:
    there = make_certificate(bot, "api", issued=CA.root().issue("old.example"))
    make_node(bot, certificate=there)
    asked: dict[str, Any] = {"actor": operator, "owner": bot, "name": "api", "passphrase": None, "dry_run": True}
    files = upload(CA.root().issue("new.example"))
    foreseen = import_certificate(files=files, **asked)
    assert foreseen.note == (
        "acme/api is there already: this becomes its version 2 and takes the place of version 1. "
        "1 service node presents it from then on, unless you only stage it."
    )
    assert "subject_changed" in {found.code for found in foreseen.inspection.findings}
    assert import_certificate(files=files, stage=True, **asked).note == ""
    assert import_certificate(files=files, **{**asked, "name": "other"}).note == ""
