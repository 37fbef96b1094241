"""The database refuses bad rows that were written past the services."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from botplatform.bots.models import Bot
from certificates.models import (
    CertificateRequest,
    CertificateVersion,
    ClientCertificate,
    SealedKey,
    TrustAnchor,
    TrustStore,
)
from tests.factories import (
    make_certificate,
    make_chain_certificate,
    make_trust_store,
    make_version,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


def refuses(write: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


def test_names_and_defaults_are_unique_for_each_owner(bot: Bot, other_bot: Bot) -> None:
    for owner in (bot, None):
        make_certificate(owner, "bank", is_default=True)
        assert refuses(lambda owner=owner: make_certificate(owner, "bank"))  # type: ignore[misc]
        assert refuses(lambda owner=owner: make_certificate(owner, "other", is_default=True))  # type: ignore[misc]
        make_trust_store(owner, "roots")
        assert refuses(lambda owner=owner: make_trust_store(owner, "roots"))  # type: ignore[misc]
    make_certificate(other_bot, "bank", is_default=True)


@pytest.mark.parametrize("name", ["Bank", "a--b", "-a", "a-", "a/b", " ", "ä", "bank\n"])
def test_names_have_a_form(name: str) -> None:
    assert refuses(lambda: make_certificate(None, name))
    assert refuses(lambda: make_trust_store(None, name))


def test_numbers_and_statuses_of_versions() -> None:
    certificate = make_certificate(None)
    assert refuses(lambda: make_version(certificate, number=1, status="retired"))
    assert refuses(lambda: make_version(certificate, number=0, status="retired"))
    assert refuses(lambda: make_version(certificate, number=2, status="active"))
    assert refuses(lambda: make_version(certificate, number=2, status="lost"))
    make_version(certificate, number=2, status="staged")
    assert refuses(lambda: make_version(certificate, number=3, status="staged"))
    make_version(certificate, number=3, status="retired")
    make_version(certificate, number=4, status="retired")


def test_a_chain_has_one_root_and_no_double_position() -> None:
    version = make_version(make_certificate(None, status="retired"), number=2)  # type: ignore[arg-type]
    make_chain_certificate(version, position=1)
    make_chain_certificate(version, position=2, role="root")
    assert refuses(lambda: make_chain_certificate(version, position=1))
    assert refuses(lambda: make_chain_certificate(version, position=3, role="root"))
    assert refuses(lambda: make_chain_certificate(version, position=0))
    assert refuses(lambda: make_chain_certificate(version, position=3, role="leaf"))


def test_an_anchor_is_in_a_store_once() -> None:
    store = make_trust_store(None, authorities=(CA.root(),))
    (anchor,) = store.anchors.all()
    anchor.pk = None
    assert refuses(lambda: TrustAnchor.objects.bulk_create([anchor]))


def test_nothing_changes_owner(bot: Bot) -> None:
    certificate, store = make_certificate(None), make_trust_store(None)
    assert refuses(lambda: ClientCertificate.objects.filter(pk=certificate.pk).update(bot=bot))
    assert refuses(lambda: TrustStore.objects.filter(pk=store.pk).update(bot=bot))
    ClientCertificate.objects.filter(pk=certificate.pk).update(bot=None, is_default=True)


@pytest.mark.parametrize(
    "change", [{"leaf_der": b"other"}, {"sha256": "0" * 64}, {"number": 7}], ids=["leaf", "hash", "number"]
)
def test_material_never_changes(change: dict[str, object]) -> None:
    certificate = make_certificate(None)
    assert refuses(lambda: CertificateVersion.objects.filter(certificate=certificate).update(**change))
    CertificateVersion.objects.filter(certificate=certificate).update(status="retired")


LEAF: dict[str, object] = {"leaf_der": b"reply", "sha256": "1" * 64, "not_before": NOW, "not_after": NOW}


def draft() -> QuerySet[CertificateVersion]:
    """One version that waits for its leaf, as a queryset."""
    certificate = make_certificate(None, status="draft")  # type: ignore[arg-type]
    return CertificateVersion.objects.filter(certificate=certificate)


@pytest.mark.parametrize("status", ["staged", "active"])
def test_a_draft_is_filled_once_when_its_reply_comes(status: str) -> None:
    version = draft()
    assert refuses(lambda: version.update(**LEAF)), "a draft has no leaf"
    assert refuses(lambda: version.update(status=status)), "only a draft, or a destroyed one, has no leaf"
    version.update(**LEAF, status=status)
    assert refuses(lambda: version.update(leaf_der=b"other", status=status))
    assert refuses(lambda: version.update(status="draft"))


@pytest.mark.parametrize("status", ["retired", "destroyed"])
def test_a_draft_gets_its_leaf_only_on_the_way_to_its_use(status: str) -> None:
    assert refuses(lambda: draft().update(**LEAF, status=status))


@pytest.mark.parametrize("change", [{"spki_sha256": "0" * 64}, {"number": 7}], ids=["key", "number"])
def test_a_draft_keeps_its_key_and_number(change: dict[str, object]) -> None:
    version = draft()
    assert refuses(lambda: version.update(**change))
    assert refuses(lambda: version.update(**change, **LEAF, status="active"))


def test_a_draft_that_was_destroyed_never_gets_a_leaf() -> None:
    version = draft()
    version.update(status="destroyed")
    assert refuses(lambda: version.update(**LEAF))
    assert refuses(lambda: version.update(**LEAF, status="staged"))


def test_one_draft_for_a_key() -> None:
    version = draft().get()
    fields = {"number": 2, "spki_sha256": version.spki_sha256}
    assert refuses(lambda: make_version(version.certificate, status="draft", **fields))
    make_version(version.certificate, status="retired", **fields)


def test_a_request_never_changes() -> None:
    request = CertificateRequest.objects.create(version=draft().get(), csr_der=b"csr", subject="CN=a")
    assert refuses(lambda: CertificateRequest.objects.filter(pk=request.pk).update(csr_der=b"other"))
    request.version.delete()
    assert not CertificateRequest.objects.exists()


def test_destroyed_is_final_and_without_a_key() -> None:
    version = make_version(make_certificate(None), number=2, status="retired")
    rows = CertificateVersion.objects.filter(pk=version.pk)
    key = SealedKey.objects.create(version=version, envelope=b"sealed", key_id="k")
    assert refuses(lambda: rows.update(status="destroyed"))
    key.delete()
    rows.update(status="destroyed")
    assert refuses(lambda: rows.update(status="retired"))
    assert refuses(lambda: SealedKey.objects.create(version=version, envelope=b"sealed", key_id="k"))
    rows.update(status="destroyed", allowed_findings=[])
    rows.delete()


@pytest.mark.django_db(transaction=True)
def test_the_triggers_can_be_taken_back_and_applied_again() -> None:
    call_command("migrate", "certificates", "0004", verbosity=0)
    call_command("migrate", verbosity=0)  # other apps depend on what was taken back
    version = make_version(make_certificate(None), number=2, status="retired")
    SealedKey.objects.create(version=version, envelope=b"sealed", key_id="k")
    assert refuses(lambda: CertificateVersion.objects.filter(pk=version.pk).update(status="destroyed"))
    assert refuses(lambda: CertificateVersion.objects.filter(pk=version.pk).update(leaf_der=b"x"))
