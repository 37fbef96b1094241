"""The database refuses bad rows that were written past the services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate, TrustAnchor, TrustStore
from tests.factories import (
    make_certificate,
    make_chain_certificate,
    make_trust_store,
    make_version,
)
from tests.pki import CA

pytestmark = pytest.mark.django_db


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
    version = make_version(make_certificate(None, status="draft"), number=2)  # type: ignore[arg-type]
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


def test_a_draft_may_still_be_filled() -> None:
    certificate = make_certificate(None, status="draft")  # type: ignore[arg-type]
    CertificateVersion.objects.filter(certificate=certificate).update(leaf_der=b"reply", sha256="1" * 64)
