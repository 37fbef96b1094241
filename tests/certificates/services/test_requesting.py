"""Drafts and the replies to them: the key never leaves, and a reply is taken for that key only."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.audit.trail import verify_trail
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput, NotAllowed
from certificates.errors import BundleError, ImportRefused, Sealed
from certificates.models import CertificateRequest, CertificateVersion, ClientCertificate, SealedKey
from certificates.pki.csr import KeyKind
from certificates.pki.inspection import UploadedFile
from certificates.pki.secret import Secret
from certificates.services.certificates import delete_certificate
from certificates.services.completing import Completion, complete
from certificates.services.importing import import_certificate
from certificates.services.keys import Purpose, open_credential
from certificates.services.requesting import Requested, request
from certificates.services.rotation import destroy, promote, retire
from tests.authority import OpensslCA
from tests.factories import add_version, make_certificate, upload
from tests.pki import CA, Issued

pytestmark = pytest.mark.django_db
OPERATOR = Actor.operating_system()


def ask(bot: Bot | None, name: str = "bank", **options: object) -> Requested:
    return request(actor=OPERATOR, owner=bot, name=name, **{"subject": "CN=client,O=Acme", **options})  # type: ignore[arg-type]


def sign(ca: CA, requested: Requested, **options: object) -> Issued:
    """What the CA makes of the request, beside the key, which it never sees."""
    csr = x509.load_der_x509_csr(requested.csr)
    return ca.issue(public_key=csr.public_key(), subject=csr.subject, **options)  # type: ignore[arg-type]


def reply(requested: Requested, content: bytes, **options: object) -> Completion:
    files = [UploadedFile("reply.pem", content)]
    return complete(actor=OPERATOR, certificate=requested.certificate, files=files, **options)  # type: ignore[arg-type]


def statuses() -> list[tuple[int, str]]:
    return list(CertificateVersion.objects.order_by("number").values_list("number", "status"))


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def test_a_request_makes_the_certificate_and_a_draft_with_a_sealed_key(bot: Bot) -> None:
    done = ask(bot, sans=["client.example"], key=KeyKind.EC_P384)
    version = CertificateVersion.objects.get()
    assert (version.number, version.status, version.subject) == (1, "draft", "CN=client,O=Acme")
    assert (version.key_type, version.key_bits, version.sha256, version.issuer) == ("ec-p384", 384, "", "")
    assert ClientCertificate.objects.get().active_version is None
    spki = x509.load_der_x509_csr(done.csr).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert version.spki_sha256 == hashlib.sha256(spki).hexdigest()
    stored = CertificateRequest.objects.get(version=version)
    assert (bytes(stored.csr_der), stored.sans, stored.same_key) == (done.csr, ["dns:client.example"], False)
    assert SealedKey.objects.filter(version=version).count() == 1
    assert done.pem.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert events() == ["certificate.created", "version.requested"]
    assert AuditEvent.objects.first().facts["key"] == "ec-p384"  # type: ignore[union-attr]
    assert verify_trail().ok


def test_the_first_reply_is_active_and_can_be_presented(tmp_path: Path, bot: Bot) -> None:
    requested, ca = ask(bot, sans=["client.example"]), OpensslCA(tmp_path)
    done = reply(requested, ca.sign(requested.pem) + ca.certificate)
    assert (done.changed, done.version.status, done.inspection.refusing) == (True, "active", ())  # type: ignore[union-attr]
    version = CertificateVersion.objects.get()
    assert (version.issuer, [row.role for row in version.chain.all()]) == ("CN=Test bank CA", ["root"])
    credential = open_credential(version=version, purpose=Purpose.CONNECTION_TEST, actor=OPERATOR)
    assert credential.leaf.subject.rfc4514_string() == "CN=client,O=Acme"
    san = credential.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["client.example"]
    assert events()[2:] == ["version.completed", "key.opened"]


def test_a_version_is_of_the_time_and_hand_that_brought_its_certificate(bot: Bot, manager: User) -> None:
    with time_machine.travel(datetime.now(UTC) - timedelta(days=3), tick=False):
        requested = ask(bot)
    files = [UploadedFile("reply.pem", sign(CA.root(), requested).chain_pem)]
    complete(actor=Actor.of(manager), certificate=requested.certificate, files=files)
    version = CertificateVersion.objects.get()
    assert version.created_by == manager.username
    assert version.created_at > datetime.now(UTC) - timedelta(hours=1)


def test_a_renewal_asks_for_the_same_and_is_staged(tmp_path: Path, bot: Bot) -> None:
    issued = CA.root().issue("client.example", san=["client.example"])
    certificate = make_certificate(bot, "bank", issued=issued)
    requested, ca = ask(bot, subject=None), OpensslCA(tmp_path)
    assert x509.load_der_x509_csr(requested.csr).subject == issued.certificate.subject
    assert requested.version.signing_request.sans == ["dns:client.example"]
    assert requested.version.spki_sha256 != certificate.active_version.spki_sha256  # type: ignore[union-attr]

    done = reply(requested, ca.pkcs7(ca.sign(requested.pem)))
    assert done.certificate == certificate
    assert statuses() == [(1, "active"), (2, "staged")]
    assert promote(actor=OPERATOR, certificate=certificate).version.number == 2
    assert statuses() == [(1, "retired"), (2, "active")]


def test_what_a_renewal_leaves_out_and_a_first_certificate_must_not(bot: Bot) -> None:
    with pytest.raises(InvalidInput, match="The subject is missing") as refused:
        ask(bot, subject=None, sans=["client.example"])
    assert refused.value.field == "subject"
    assert ask(bot, "spiffe", subject="", sans=["uri:spiffe://acme/bank"]).version.subject == ""

    issued = CA.root().issue("client.example", san=["client.example"])
    make_certificate(bot, "bank", issued=issued)
    for given, sans in ((None, ["dns:client.example"]), (["new.example"], ["dns:new.example"]), ([], [])):
        requested = ask(bot, subject=None, sans=given)
        assert x509.load_der_x509_csr(requested.csr).subject == issued.certificate.subject
        assert requested.version.signing_request.sans == sans


def test_the_leaf_alone_will_do_and_the_same_reply_again_changes_nothing(bot: Bot) -> None:
    requested = ask(bot)
    issued = sign(CA.root().intermediate("Issuing CA"), requested)
    done = reply(requested, issued.der)
    assert [found.code for found in done.inspection.findings][:1] == ["missing_intermediate"]
    before = AuditEvent.objects.count()
    again = reply(requested, issued.der)
    assert (again.changed, again.version) == (False, done.version)
    assert (AuditEvent.objects.count(), statuses()) == (before, [(1, "active")])


def test_a_chain_that_comes_later_makes_a_new_version_with_the_same_key(bot: Bot) -> None:
    requested, root = ask(bot), CA.root()
    issued = sign(root.intermediate("Issuing CA"), requested)
    reply(requested, issued.der)
    seen = reply(requested, issued.chain_pem, dry_run=True)
    assert (seen.version.number, seen.becomes, seen.adds, statuses()) == (1, "staged", True, [(1, "active")])  # type: ignore[union-attr]
    done = reply(requested, issued.chain_pem + root.pem)
    assert (done.changed, done.version.number, statuses()) == (True, 2, [(1, "active"), (2, "staged")])  # type: ignore[union-attr]
    assert [row.role for row in done.version.chain.all()] == ["intermediate", "root"]  # type: ignore[union-attr]
    credential = open_credential(version=done.version, purpose=Purpose.CONNECTION_TEST, actor=OPERATOR)  # type: ignore[arg-type]
    assert credential.chain == issued.chain
    opened = AuditEvent.objects.filter(action="key.opened").values_list("facts__purpose", "facts__version")
    assert list(opened.order_by("position"))[:1] == [("seal_again", 1)]
    for less in (issued.chain_pem + root.pem, issued.chain_pem, issued.der):
        again = reply(requested, less)
        assert (again.changed, again.version.number) == (False, 2)  # type: ignore[union-attr]
    assert verify_trail().ok


def test_more_of_a_chain_is_judged_and_only_stored_for_what_is_presented(bot: Bot) -> None:
    requested, root = ask(bot), CA.root()
    issued = sign(root.intermediate("Issuing CA"), requested, eku=("serverAuth",))
    reply(requested, issued.der, allow=frozenset({"client_auth_missing"}))
    with pytest.raises(ImportRefused):
        reply(requested, issued.chain_pem)
    retire(actor=OPERATOR, certificate=requested.certificate, number=1)
    assert not reply(requested, issued.chain_pem).changed
    assert statuses() == [(1, "retired")]


def test_several_open_requests_are_told_apart_by_their_keys(bot: Bot) -> None:
    ca = CA.root()
    first, second = ask(bot), ask(bot)
    assert statuses() == [(1, "draft"), (2, "draft")]
    assert reply(first, sign(ca, second).chain_pem).version == second.version
    assert statuses() == [(1, "draft"), (2, "active")]
    assert reply(first, sign(ca, first).chain_pem).version == first.version
    assert statuses() == [(1, "staged"), (2, "active")]
    with pytest.raises(BundleError) as refused:
        reply(first, sign(ca, first).chain_pem)
    assert refused.value.text.startswith("“acme/bank” has no open request that this could answer")


def test_a_reply_to_two_requests_at_once_is_refused(bot: Bot) -> None:
    ca, first, second = CA.root(), ask(bot), ask(bot)
    with pytest.raises(BundleError) as refused:
        reply(first, sign(ca, first).chain_pem + sign(ca, second).chain_pem)
    assert refused.value.code == "several_keys"


def test_a_reply_for_another_key_changes_nothing(bot: Bot) -> None:
    requested, before = ask(bot), AuditEvent.objects.count()
    for stranger in (CA.root().issue(), sign(CA.root(), ask(None))):
        with pytest.raises(BundleError) as refused:
            reply(requested, stranger.chain_pem)
        assert refused.value.code == "key_does_not_match"
        assert "no certificate for the key of version 1, the open request of “acme/bank”" in refused.value.text
    ask(bot)
    with pytest.raises(BundleError, match=r"an open request of “acme/bank” \(versions 1, 2\)"):
        reply(requested, CA.root().issue().chain_pem)
    with pytest.raises(BundleError, match="is a certificate signing request"):
        reply(requested, requested.pem.encode())
    assert CertificateVersion.objects.filter(certificate=requested.certificate, status="draft").count() == 2
    assert AuditEvent.objects.count() == before + 3  # the requests that were made


def test_findings_refuse_a_reply_unless_allowed(bot: Bot) -> None:
    requested = ask(bot)
    server = sign(CA.root(), requested, eku=("serverAuth",)).chain_pem
    with pytest.raises(ImportRefused) as refused:
        reply(requested, server)
    assert refused.value.findings == ("client_auth_missing",)
    foreseen = reply(requested, server, dry_run=True)
    assert (foreseen.version, foreseen.changed, foreseen.becomes) == (requested.version, False, "active")
    assert statuses() == [(1, "draft")]
    reply(requested, server, allow=frozenset({"client_auth_missing", "expired"}))
    version = CertificateVersion.objects.get()
    assert (version.status, version.allowed_findings) == ("active", ["client_auth_missing"])
    assert AuditEvent.objects.first().facts["allowed_findings"] == ["client_auth_missing"]  # type: ignore[union-attr]


def test_a_dry_run_stores_nothing_and_tells(bot: Bot) -> None:
    requested = ask(bot)
    good, wrong = sign(CA.root(), requested).chain_pem, CA.root().issue().chain_pem
    before = AuditEvent.objects.count()
    foreseen = reply(requested, good, dry_run=True)
    assert (foreseen.version, foreseen.changed, foreseen.becomes) == (requested.version, True, "active")
    nothing = reply(requested, wrong, dry_run=True)
    assert nothing.version is None
    assert nothing.inspection.error is not None
    assert (statuses(), AuditEvent.objects.count()) == ([(1, "draft")], before)


def test_the_same_key_where_the_ca_demands_it(bot: Bot) -> None:
    issued = CA.root().issue("client.example")
    certificate = make_certificate(bot, "bank", issued=issued)
    requested = ask(bot, subject=None, same_key=True)
    assert requested.version.spki_sha256 == certificate.active_version.spki_sha256  # type: ignore[union-attr]
    opened = AuditEvent.objects.get(action="key.opened")
    assert opened.facts["purpose"] == "sign_request"
    with pytest.raises(Conflict) as refused:
        ask(bot, subject=None, same_key=True)
    assert refused.value.code == "same_key_open"

    old = reply(requested, issued.chain_pem)
    assert (old.changed, old.version.number) == (False, 1), "the old certificate is no reply"  # type: ignore[union-attr]
    reply(requested, sign(CA.root("New CA"), requested).chain_pem)
    assert statuses() == [(1, "active"), (2, "staged")]
    staged = CertificateVersion.objects.get(number=2)
    assert open_credential(version=staged, purpose=Purpose.CONNECTION_TEST, actor=OPERATOR).version == 2


def test_no_key_to_use_again(bot: Bot) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(bot, same_key=True)
    assert refused.value.field == "same_key"


def test_a_challenge_is_told_once_and_never_stored(bot: Bot) -> None:
    requested = ask(bot, challenge=Secret(b"let me in"))
    told = x509.load_der_x509_csr(requested.csr).attributes
    assert told.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value == b"let me in"
    stored = bytes(CertificateRequest.objects.get().csr_der)
    assert b"let me in" not in stored
    assert x509.load_der_x509_csr(stored).is_signature_valid
    assert AuditEvent.objects.first().facts["challenge"] is True  # type: ignore[union-attr]
    assert "let me in" not in str(list(AuditEvent.objects.values()))


def test_a_discarded_draft_has_no_key_and_takes_no_reply(bot: Bot) -> None:
    requested = ask(bot)
    issued = sign(CA.root(), requested)
    destroy(actor=OPERATOR, certificate=requested.certificate, number=1)
    assert (statuses(), SealedKey.objects.count()) == ([(1, "destroyed")], 0)
    with pytest.raises(BundleError, match="has no open request"):
        reply(requested, issued.chain_pem)
    assert ask(bot).version.number == 2
    delete_certificate(actor=OPERATOR, certificate=requested.certificate)
    assert not CertificateRequest.objects.exists()


def test_what_is_staged_makes_room_as_for_an_import(bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue("client.example"))
    add_version(certificate, CA.root().issue("client.example"), number=2, status="staged")  # type: ignore[arg-type]
    requested = ask(bot)
    reply(requested, sign(CA.root(), requested).chain_pem)
    assert statuses() == [(1, "active"), (2, "retired"), (3, "staged")]
    assert AuditEvent.objects.first().facts["before"] == 2  # type: ignore[union-attr]


def test_an_import_beside_a_draft_changes_nothing_of_it(bot: Bot) -> None:
    requested = ask(bot)
    done = import_certificate(actor=OPERATOR, owner=bot, name="bank", files=upload(CA.root().issue()), passphrase=None)
    assert done.version is not None
    assert statuses() == [(1, "draft"), (2, "active")]
    late = sign(CA.root(), requested, not_before=datetime.now(UTC) + timedelta(days=1))
    assert reply(requested, late.chain_pem).version.status == "staged"  # type: ignore[union-attr]


def test_who_may(bot: Bot, developer: User, manager: User) -> None:
    with pytest.raises(NotAllowed):
        request(actor=Actor.of(developer), owner=bot, name="bank", subject="CN=a")
    with pytest.raises(NotAllowed):
        request(actor=Actor.of(manager), owner=None, name="bank", subject="CN=a")
    requested = request(actor=Actor.of(manager), owner=bot, name="bank", subject="CN=a")
    with pytest.raises(NotAllowed):
        complete(actor=Actor.of(developer), certificate=requested.certificate, files=[])
    system = request(actor=Actor.platform(), owner=bot, name="bank", subject="CN=a")
    assert system.version.created_by == "platform"


@pytest.mark.parametrize("name", ["import", "Bank", "a b"])
def test_names_that_are_refused(bot: Bot, name: str) -> None:
    with pytest.raises(InvalidInput):
        ask(bot, name)
    assert not ClientCertificate.objects.exists()


def test_nothing_is_asked_for_while_sealed(bot: Bot, settings: object, tmp_path: Path) -> None:
    settings.KEYRING_FILE = tmp_path / "none.json"  # type: ignore[attr-defined]
    with pytest.raises(Sealed):
        ask(bot)
    assert not ClientCertificate.objects.exists()
