"""Importing trust anchors."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import DomainError, InvalidInput, NotAllowed, NotFound
from certificates.models import TrustAnchor, TrustStore
from certificates.pki import limits
from certificates.pki.inspection import UploadedFile
from certificates.services.trust_stores import TrustStoreResult, import_trust_store
from tests.pki import CA

pytestmark = pytest.mark.django_db


def run(actor: Actor, owner: Bot | None, *contents: bytes, name: str = "bank-roots") -> TrustStoreResult:
    files = [UploadedFile(f"file-{number}", content) for number, content in enumerate(contents)]
    return import_trust_store(actor=actor, owner=owner, name=name, files=files)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def test_pem_der_and_pkcs7_piles_are_read(operator: Actor, bot: Bot) -> None:
    one, two, three = CA.root("One"), CA.root("Two"), CA.root("Three")
    pile = pkcs7.serialize_certificates([three.certificate, one.certificate], Encoding.DER)
    result = run(operator, bot, one.pem, der(two.certificate), pile)

    assert result.changed
    assert len(result.added) == 3
    assert {bytes(anchor.der) for anchor in TrustAnchor.objects.all()} == {
        der(authority.certificate) for authority in (one, two, three)
    }
    assert result.trust_store.path == "acme/bank-roots"


def test_the_same_anchors_again_change_nothing(operator: Actor) -> None:
    root = CA.root()
    run(operator, None, root.pem)
    again = run(operator, None, root.pem)

    assert not again.changed
    assert again.added == ()
    assert TrustStore.objects.get().revision == 1
    assert AuditEvent.objects.count() == 1


def test_more_anchors_are_added_and_the_revision_grows(operator: Actor) -> None:
    one, two = CA.root("One"), CA.root("Two")
    run(operator, None, one.pem)
    result = run(operator, None, one.pem + two.pem)

    assert [facts.sha256 for facts in result.added] == [two.certificate.fingerprint(SHA256()).hex()]
    assert TrustStore.objects.get().revision == 2
    assert TrustAnchor.objects.count() == 2


def test_a_store_does_not_grow_without_end(operator: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    run(operator, None, CA.root("First").pem)
    monkeypatch.setattr(limits, "MAX_TRUST_STORE_CERTIFICATES", 2)
    run(operator, None, CA.root("Second").pem)
    with pytest.raises(InvalidInput, match="at most 2"):
        run(operator, None, CA.root("Third").pem)
    assert TrustAnchor.objects.count() == 2


def test_owners_have_names_of_their_own(operator: Actor, bot: Bot, other_bot: Bot) -> None:
    root = CA.root()
    paths = {run(operator, owner, root.pem).trust_store.path for owner in (bot, other_bot, None)}
    assert paths == {"acme/bank-roots", "globex/bank-roots", "platform/bank-roots"}


def test_what_is_no_certificate_is_refused(operator: Actor) -> None:
    with pytest.raises(DomainError):
        run(operator, None, b"junk")
    for name in ("Not a slug", "import"):
        with pytest.raises(InvalidInput):
            run(operator, None, CA.root().pem, name=name)
    assert not TrustStore.objects.exists()


def test_a_bot_that_is_gone_is_not_found(operator: Actor) -> None:
    with pytest.raises(NotFound):
        run(operator, Bot(slug="gone", name="Gone"), CA.root().pem)


def test_who_may_import(bot: Bot, manager: User, developer: User) -> None:
    root = CA.root()
    with pytest.raises(NotAllowed):
        run(Actor.of(developer), bot, root.pem)
    with pytest.raises(NotAllowed):
        run(Actor.of(manager), None, root.pem)
    assert run(Actor.of(manager), bot, root.pem).changed
