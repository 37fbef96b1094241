"""ACME against pebble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certificates.issuers.acme import Acme
from certificates.issuers.acme_talk import AcmeAccount
from certificates.issuers.hook import ENVIRONMENT, Hook
from certificates.issuers.port import IssuerFailed, Phase, SigningJob
from certificates.pki.secret import Secret
from tests.authorities import AcmeServer, pebble
from tests.pki import CA

pytestmark = pytest.mark.peers
EAB_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def csr(*names: str, common_name: str = "a bot") -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER), key


def account(key_id: str = "", key: str | None = None) -> AcmeAccount:
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return AcmeAccount(Secret(der), "ops@bots.example", key_id, Secret(key.encode()) if key else None)


def issuer(server: AcmeServer, challenge: str = "http-01") -> Acme:
    return Acme(server.directory_url, account(), challenge, Hook(str(server.hook), 10), (server.anchor,))


def failing_hook(folder: Path, code: str) -> Hook:
    path = folder / "failing-hook"
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o700)
    return Hook(str(path), 2)


@pytest.mark.parametrize("challenge", ["http-01", "dns-01"])
def test_signs(acme_server: AcmeServer, challenge: str) -> None:
    request, key = csr("one.bots.example", "two.bots.example", common_name="one.bots.example")
    kept: list[str] = []
    before = len(acme_server.hook_calls())
    leaf, *above = issuer(acme_server, challenge).sign(SigningJob(request, keep=kept.append))
    certificate = x509.load_der_x509_certificate(leaf)
    assert certificate.public_key() == key.public_key()
    assert above, "the CA's intermediate comes along"
    assert certificate.issuer == x509.load_der_x509_certificate(above[0]).subject
    calls = acme_server.hook_calls()[before:]
    told = {(act, kind, domain) for act, kind, domain, *_ in calls}
    assert told == {(act, challenge, f"{name}.bots.example") for name in ("one", "two") for act in ("deploy", "clean")}
    assert kept[0].startswith("https://localhost:")
    seen_by_hook = {name for call in calls for name in call[-1]} - {"LC_CTYPE"}  # Python's own
    assert seen_by_hook <= set(ENVIRONMENT), "the hook gets none of the product's settings"


def test_the_same_key_is_the_same_account(acme_server: AcmeServer) -> None:
    one = issuer(acme_server)
    first, again = one.check(), one.check()
    assert first == again
    assert "https://localhost:" in first
    assert issuer(acme_server).check() != first


def test_an_order_goes_on_where_it_was_left(acme_server: AcmeServer, tmp_path: Path) -> None:
    request, key = csr("resumed.bots.example")
    kept: list[str] = []
    whole = issuer(acme_server)
    broken = replace(whole, hook=failing_hook(tmp_path, "echo no such zone >&2; exit 3"))
    with pytest.raises(IssuerFailed) as failed:
        broken.sign(SigningJob(request, keep=kept.append))
    assert failed.value.phase is Phase.PROVE
    assert failed.value.text == "The ACME hook (deploy for resumed.bots.example) ended with 3: no such zone."
    leaf, *_ = whole.sign(SigningJob(request, resume=kept[0], keep=kept.append))
    assert x509.load_der_x509_certificate(leaf).public_key() == key.public_key()
    assert set(kept) == {kept[0]}, "no second order"
    again, *_ = whole.sign(SigningJob(request, resume=kept[0]))
    assert again == leaf, "an order that is done gives its certificate again"


def test_an_order_that_the_ca_forgot_is_made_anew(acme_server: AcmeServer) -> None:
    request, key = csr("forgotten.bots.example")
    kept: list[str] = []
    gone = acme_server.directory_url.replace("/dir", "/my-order/none")
    leaf, *_ = issuer(acme_server).sign(SigningJob(request, resume=gone, keep=kept.append))
    assert x509.load_der_x509_certificate(leaf).public_key() == key.public_key()
    assert kept[0] != gone


def test_a_proof_that_is_not_found(acme_server: AcmeServer, tmp_path: Path) -> None:
    request, _ = csr("unproven.bots.example")
    kept: list[str] = []
    lazy = replace(issuer(acme_server), hook=failing_hook(tmp_path, "exit 0"))
    with pytest.raises(IssuerFailed) as failed:
        lazy.sign(SigningJob(request, keep=kept.append))
    assert failed.value.phase is Phase.PROVE
    assert failed.value.text.startswith("The CA did not find the proof for unproven.bots.example: ")
    leaf, *_ = issuer(acme_server).sign(SigningJob(request, resume=kept[0]))
    assert leaf, "the order that became invalid is replaced"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("exec sleep 60", "was ended after 0.2 seconds"),
        (None, "cannot be run: No such file or directory. Check ACME_HOOK."),
    ],
)
def test_a_hook_that_cannot_do_it(acme_server: AcmeServer, tmp_path: Path, code: str | None, text: str) -> None:
    hook = Hook("/nowhere/hook", 2) if code is None else replace(failing_hook(tmp_path, code), timeout_s=0.2)
    with pytest.raises(IssuerFailed, match=text):
        replace(issuer(acme_server), hook=hook).sign(SigningJob(csr("slow.bots.example")[0]))


def test_without_a_hook_nothing_is_proven(acme_server: AcmeServer) -> None:
    with pytest.raises(IssuerFailed, match="set ACME_HOOK"):
        replace(issuer(acme_server), hook=Hook("", 1)).sign(SigningJob(csr("none.bots.example")[0]))


def test_a_request_without_names_is_not_ordered(acme_server: AcmeServer) -> None:
    with pytest.raises(IssuerFailed, match="give the certificate a DNS name") as failed:
        issuer(acme_server).sign(SigningJob(csr()[0]))
    assert failed.value.phase is Phase.ORDER


def test_a_ca_that_is_not_trusted_learns_nothing(acme_server: AcmeServer) -> None:
    other = CA.root("another").certificate.public_bytes(Encoding.DER)
    with pytest.raises(IssuerFailed, match="could not be asked") as failed:
        replace(issuer(acme_server), anchors=(other,)).check()
    assert failed.value.phase is Phase.REACH


def test_challenges_are_called_as_the_ca_calls_them(acme_server: AcmeServer) -> None:
    text = r"does not offer dns-02 for odd.bots.example, only dns-01, .*http-01, tls-alpn-01\.$"
    with pytest.raises(IssuerFailed, match=text):
        replace(issuer(acme_server), challenge="dns-02").sign(SigningJob(csr("odd.bots.example")[0]))


def test_the_address_policy_holds(acme_server: AcmeServer, settings: object) -> None:
    settings.EGRESS_ALLOW = []  # type: ignore[attr-defined]
    with pytest.raises(IssuerFailed) as failed:
        issuer(acme_server).check()
    assert failed.value.phase is Phase.REACH


def test_accounts_that_the_ca_gave_out(authority: CA) -> None:
    with pebble(authority, bindings={"kid-1": EAB_KEY}) as server:
        one = issuer(server)
        assert "https://" in replace(one, account=account("kid-1", EAB_KEY)).check()
        wrong = EAB_KEY.replace("z", "A", 1)
        for other in (account(), account("kid-1", wrong), account("kid-2", EAB_KEY), account("kid-1", "no base64 é")):
            with pytest.raises(IssuerFailed) as failed:
                replace(one, account=other).check()
            assert failed.value.phase is Phase.SIGN_IN


def test_no_secret_is_shown(acme_server: AcmeServer) -> None:
    bound = replace(issuer(acme_server), account=account("kid-1", EAB_KEY))
    assert EAB_KEY not in repr(bound)
    assert repr(bound).count("<secret>") == 2
