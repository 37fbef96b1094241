"""The PKI engine of OpenBao."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509

from certificates.issuers.port import IssuerFailed, Phase, SigningJob
from certificates.issuers.vault import Vault, VaultLogin
from certificates.pki.secret import Secret
from tests.authorities import Bao
from tests.certificates.issuers.test_acme import csr

pytestmark = pytest.mark.peers


def issuer(bao: Bao, **changes: object) -> Vault:
    login = VaultLogin(Secret(bao.token.encode()))
    return replace(Vault(bao.address, bao.mount, bao.role, login, anchors=(bao.anchor,)), **changes)  # type: ignore[arg-type]


def approle(bao: Bao) -> VaultLogin:
    return VaultLogin(Secret(bao.secret_id.encode()), bao.role_id)


def test_signs(bao: Bao) -> None:
    request, key = csr("one.bots.example", common_name="bots.example")
    leaf, *above = issuer(bao).sign(SigningJob(request))
    certificate = x509.load_der_x509_certificate(leaf)
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=bots.example"
    assert certificate.issuer == x509.load_der_x509_certificate(above[0]).subject
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "one.bots.example" in names.get_values_for_type(x509.DNSName)


def test_signs_in_by_approle(bao: Bao) -> None:
    by_role = issuer(bao, login=approle(bao))
    assert by_role.check().endswith("Mount and role are tried at the first renewal.")
    assert by_role.sign(SigningJob(csr("two.bots.example", common_name="bots.example")[0]))


def test_signs_in_a_namespace(bao: Bao) -> None:
    bao.ask("POST", "sys/namespaces/team", {})
    for method, path, body in (
        ("POST", "team/sys/mounts/pki", {"type": "pki"}),
        ("POST", "team/pki/root/generate/internal", {"common_name": "Team root"}),
        ("POST", "team/pki/roles/bots", {"allow_any_name": True, "key_type": "any", "ttl": "24h"}),
    ):
        bao.ask(method, path, body)
    of_team = issuer(bao, mount="pki", namespace="team", login=VaultLogin(Secret(bao.root.encode())))
    leaf, *_ = of_team.sign(SigningJob(csr(common_name="three.bots.example")[0]))
    assert x509.load_der_x509_certificate(leaf).issuer.rfc4514_string() == "CN=Team root"


def test_a_name_that_the_role_does_not_allow(bao: Bao) -> None:
    with pytest.raises(IssuerFailed, match=r"did not sign: .*not allowed by this role") as failed:
        issuer(bao).sign(SigningJob(csr("api.bank.example", common_name="api.bank.example")[0]))
    assert failed.value.phase is Phase.SIGN


@pytest.mark.parametrize("wrong", ["token", "secret_id"])
def test_a_secret_that_is_wrong(bao: Bao, wrong: str) -> None:
    login = VaultLogin(Secret(b"wrong"), bao.role_id if wrong == "secret_id" else "")
    with pytest.raises(IssuerFailed, match="did not let us in") as failed:
        issuer(bao, login=login).check()
    assert failed.value.phase is Phase.SIGN_IN
    assert "wrong" not in failed.value.text


def test_a_server_that_does_not_answer(bao: Bao) -> None:
    with pytest.raises(IssuerFailed, match="could not be asked") as failed:
        issuer(bao, address="https://localhost:1").check()
    assert failed.value.phase is Phase.REACH


def test_a_server_that_is_not_trusted_is_named_with_who_judged_it(bao: Bao) -> None:
    with pytest.raises(IssuerFailed) as failed:
        issuer(bao, anchors=()).check()
    assert failed.value.text.endswith("so nothing was asked of it. It was judged by the system’s authorities.")
    assert "not sent" not in failed.value.text


def test_what_go_says_about_a_list_of_one_is_left_out(bao: Bao) -> None:
    with pytest.raises(IssuerFailed, match=r"did not sign: permission denied\.$"):
        issuer(bao, mount="nowhere").sign(SigningJob(csr("bots.example", common_name="bots.example")[0]))


def test_no_secret_is_shown(bao: Bao) -> None:
    assert bao.token not in repr(issuer(bao))
