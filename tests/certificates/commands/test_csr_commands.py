"""`create_csr` and `complete_csr`: a whole renewal with OpenSSL on the other side; output and exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID

from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from tests.authority import OpensslCA
from tests.certificates.commands.test_commands import run
from tests.certificates.services.test_requesting import statuses
from tests.factories import make_node
from tests.pki import CA

pytestmark = pytest.mark.django_db


def test_a_first_certificate_and_its_renewal(tmp_path: Path, bot: Bot) -> None:
    ca, answer = OpensslCA(tmp_path / "ca"), tmp_path / "reply.crt"
    asked = run(
        "create_csr", "acme/bank", "--subject", "CN=client.acme.example, O=Acme", "--san", "client.acme.example"
    )
    assert asked.code == 0
    assert asked.out.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert asked.out.endswith("-----END CERTIFICATE REQUEST-----\n")
    assert "complete_csr acme/bank REPLY" in asked.err
    answer.write_bytes(ca.sign(asked.out))
    done = run("complete_csr", "acme/bank", answer)
    assert (done.code, statuses()) == (0, [(1, "active")])
    assert "“acme/bank”: version 1 is active.\n" in done.out

    node = make_node(bot, "balance", certificate=ClientCertificate.objects.get())
    asked = run("create_csr", "acme/bank", "--key", "rsa-3072", "--json")
    told = asked.document
    assert (told["certificate"], told["version"], told["status"]) == ("acme/bank", 2, "draft")
    assert (told["subject"], told["san"]) == ("CN=client.acme.example,O=Acme", ["dns:client.acme.example"])
    assert told["key"] == {"type": "rsa", "bits": 3072}
    answer.write_bytes(ca.pkcs7(ca.sign(told["csr"])))
    done = run("complete_csr", "acme/bank", answer, "--json")
    assert (done.code, done.document["version"], done.document["status"], done.document["changed"]) == (
        0,
        2,
        "staged",
        True,
    )
    assert [found["code"] for found in done.document["findings"]] == ["root_included"]
    again = run("complete_csr", "acme/bank", answer)
    assert (again.code, "holds this certificate already: version 2 is staged" in again.out) == (0, True)
    assert run("create_csr", "acme/bank").code == 0
    again = run("complete_csr", "acme/bank", answer)
    assert "Nothing to do. The reply to version 3 is still to come." in again.out
    assert run("destroy_version", "acme/bank", "--version", 3).code == 0
    assert run("promote_version", "acme/bank").code == 0
    assert statuses() == [(1, "retired"), (2, "active"), (3, "destroyed")]
    assert node.certificate.active_version.number == 2  # type: ignore[union-attr]


def test_a_reply_that_is_refused(tmp_path: Path, bot: Bot) -> None:
    asked, answer = run("create_csr", "acme/bank", "--subject", "CN=a"), tmp_path / "reply.pem"
    answer.write_bytes(CA.root().issue().chain_pem)
    refused = run("complete_csr", "acme/bank", answer)
    assert (refused.code, statuses()) == (1, [(1, "draft")])
    assert "✗ key_does_not_match: The files hold no certificate for the key of version 1" in refused.out
    assert run("complete_csr", "acme/bank", answer, "--json").document["error"]["code"] == "key_does_not_match"
    ca = OpensslCA(tmp_path / "ca")
    (ca.directory / "client.ext").write_text("extendedKeyUsage=serverAuth\n")
    answer.write_bytes(ca.run("x509", "-req", *SIGNING, "-in", save(tmp_path, asked.out)))
    assert run("complete_csr", "acme/bank", answer).code == 1
    allowed = run("complete_csr", "acme/bank", answer, "--allow", "client_auth_missing")
    assert (allowed.code, statuses()) == (0, [(1, "active")])


SIGNING = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "client.ext"]


def save(directory: Path, text: str) -> str:
    path = directory / "client.csr"
    path.write_text(text)
    return str(path)


def test_the_same_key_and_a_challenge(tmp_path: Path, bot: Bot) -> None:
    ca, answer, challenge = OpensslCA(tmp_path / "ca"), tmp_path / "reply.crt", tmp_path / "challenge"
    first = run("create_csr", "acme/bank", "--subject", "CN=a")
    answer.write_bytes(ca.sign(first.out))
    run("complete_csr", "acme/bank", answer)
    challenge.write_text("let me in\n")
    again = run("create_csr", "acme/bank", "--same-key", "--challenge-file", challenge)
    one, two = (x509.load_pem_x509_csr(ran.out.encode()) for ran in (first, again))
    assert one.public_key() == two.public_key()
    assert two.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value == b"let me in"
    missing = run("create_csr", "acme/bank", "--challenge-file", tmp_path / "none")
    assert (missing.code, "The challenge file" in missing.err) == (2, True)


def test_what_could_not_run(bot: Bot, tmp_path: Path) -> None:
    for arguments, told in (
        (["acme/bank"], "The subject is missing"),
        (["acme/bank", "--subject", "bank"], "RFC 4514"),
        (["acme/bank", "--subject", "CN=a", "--san", "ip:bank"], "is no IP address"),
        (["nobody/bank", "--subject", "CN=a"], "There is no bot “nobody”."),
        (["bank", "--subject", "CN=a"], "bot-slug/name"),
    ):
        ran = run("create_csr", *arguments)
        assert (ran.code, told in ran.err) == (2, True), ran
    assert run("complete_csr", "acme/bank", tmp_path / "none").code == 2
    assert not ClientCertificate.objects.exists()
