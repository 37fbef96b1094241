"""From a shuffled pile to a chain in sending order, and what makes that chain invalid."""

from __future__ import annotations

import ipaddress
import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from certificates.pki.chain import Chain, build_chain, has_signed, is_self_signed
from certificates.pki.name_constraints import violations
from certificates.pki.path_checks import problems
from tests.certificates.pki.uploads import codes, error_code, inspect
from tests.pki import CA, Issued, distinguished_name, pem, self_signed, usual_key_usage

NOW = datetime.now(UTC)


def deep_ca(levels: int) -> CA:
    ca = CA.root()
    for level in range(levels):
        ca = ca.intermediate(f"CA {level}", path_length=None)
    return ca


def problem_of(issued: Issued) -> str:
    """The one problem of its complete chain."""
    pool = [*issued.chain, *([issued.root] if issued.root else [])]
    [problem] = problems(build_chain(issued.certificate, pool, now=NOW))
    return problem


# --- Order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_shuffled_piles_are_ordered(seed: int) -> None:
    ca = deep_ca(5)
    issued = ca.issue()
    pool = [*issued.chain, *deep_ca(2).above, issued.certificate, ca.above[-1]]
    random.Random(seed).shuffle(pool)

    chain = build_chain(issued.certificate, pool, now=NOW)

    assert chain.issuers == issued.chain
    assert chain.root == ca.above[-1]
    assert list(problems(chain)) == []


def test_of_two_certificates_of_one_authority_the_valid_one_is_taken() -> None:
    root = CA.root()
    new = root.intermediate("Issuing CA")
    old = root.intermediate(
        "Issuing CA", private_key=new.private_key, not_before=NOW - timedelta(99), not_after=NOW - timedelta(9)
    )
    issued = new.issue()

    chain = build_chain(issued.certificate, [old.certificate, root.certificate, new.certificate], now=NOW)

    assert chain.issuers == (new.certificate,)


def test_a_cross_signed_authority_leads_to_the_root_at_hand() -> None:
    here, elsewhere = CA.root("Here"), CA.root("Elsewhere")
    ca = here.intermediate("Issuing CA")
    crossed = elsewhere.intermediate("Issuing CA", private_key=ca.private_key)
    issued = ca.issue()

    chain = build_chain(issued.certificate, [crossed.certificate, ca.certificate, here.certificate], now=NOW)

    assert chain.path == (issued.certificate, ca.certificate, here.certificate)


def test_a_rolled_over_key_is_no_root() -> None:
    old = CA.root("Rolling CA")
    new = CA.root("Rolling CA")
    new_by_old = old.intermediate("Rolling CA", private_key=new.private_key, path_length=None)
    issued = new_by_old.issue()

    chain = build_chain(issued.certificate, [new_by_old.certificate, old.certificate], now=NOW)

    assert not is_self_signed(new_by_old.certificate)
    assert chain.issuers == (new_by_old.certificate,)
    assert chain.root == old.certificate


def test_a_namesake_with_another_key_is_not_the_issuer() -> None:
    issued = CA.root("Same name").issue()

    inspection = inspect(issued.key_pem, issued.cert_pem, CA.root("Same name").pem)

    assert inspection.intermediates == ()
    assert inspection.root is None
    assert "missing_intermediate" in codes(inspection)


def test_a_mesh_of_cross_signatures_ends() -> None:
    first = CA.root("Mesh")
    mesh = [first.intermediate("Mesh", private_key=first.private_key, path_length=None) for _ in range(60)]
    issued = mesh[0].issue()
    begin = datetime.now(UTC)

    build_chain(issued.certificate, [ca.certificate for ca in mesh], now=NOW)

    assert datetime.now(UTC) - begin < timedelta(seconds=3)


@pytest.mark.parametrize(("levels", "code"), [(8, None), (9, "too_large")])
def test_a_chain_of_ten_certificates_is_the_limit(levels: int, code: str | None) -> None:
    ca = deep_ca(levels)
    issued = ca.issue()

    inspection = inspect(issued.key_pem, issued.chain_pem, pem([ca.above[-1]]))

    assert error_code(inspection) == code


@pytest.mark.parametrize("outdated", ["sha1", "md5"])
def test_outdated_signatures_still_tell_who_signed(outdated: str) -> None:
    root = CA.root(key="rsa-2048")
    issued = root.issue(signature_hash=outdated)

    assert has_signed(root.certificate, issued.certificate)
    assert not has_signed(CA.root(key="rsa-2048").certificate, issued.certificate)


# --- Validity --------------------------------------------------------------------------------------------------------


def test_a_broken_signature_is_told() -> None:
    root = CA.root()
    issued = root.issue()
    forged = CA.root(private_key=CA.root().private_key)
    namesake = Issued(
        forged.issue(extensions=[], private_key=issued.private_key, aki=False).certificate, issued.private_key, (), None
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.private_key.public_key())
    broken = forged.issue(aki=False, extensions=[(authority, False)])

    assert "does not verify" in problem_of(Issued(broken.certificate, broken.private_key, (), root.certificate))
    assert build_chain(namesake.certificate, [root.certificate], now=NOW).root is None


def test_an_issuer_must_be_a_ca() -> None:
    assert "is not a CA" in problem_of(CA.root().intermediate("Not a CA", is_ca=False, key_usage=None).issue())
    assert "is not a CA" in problem_of(CA.root().intermediate("No word", is_ca=None, key_usage=None).issue())


def test_an_issuer_must_be_allowed_to_sign_certificates() -> None:
    usage = usual_key_usage(ca=False)

    assert "key usage" in problem_of(CA.root().intermediate("Signs nothing", key_usage=usage).issue())


def test_an_issuer_limited_to_servers_issues_no_clients() -> None:
    assert "without clientAuth" in problem_of(CA.root().intermediate("Servers only", eku=("serverAuth",)).issue())
    assert list(problems(chain_of(CA.root().intermediate("Both", eku=("serverAuth", "clientAuth")).issue()))) == []


def chain_of(issued: Issued) -> Chain:
    return build_chain(issued.certificate, [*issued.chain, *([issued.root] if issued.root else [])], now=NOW)


def test_a_path_longer_than_an_issuer_permits() -> None:
    ca = CA.root().intermediate("Upper", path_length=0).intermediate("Lower")

    assert "permits 0 intermediates below it, and there are 1" in problem_of(ca.issue())


def test_a_small_key_of_an_issuer() -> None:
    assert "too small (1024 bits)" in problem_of(CA.root().intermediate("Weak", key="rsa-1024").issue())


def test_a_critical_extension_nobody_knows() -> None:
    extension = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    assert "critical extension 1.2.3.4" in problem_of(CA.root().issue(extensions=[(extension, True)]))
    assert list(problems(chain_of(CA.root().issue(extensions=[(extension, False)])))) == []


def test_extensions_that_cannot_be_decoded() -> None:
    broken = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.30"), b"\x04\x01x")  # name constraints

    assert "cannot be decoded" in problem_of(CA.root().issue(extensions=[(broken, False)]))


# --- Name constraints ------------------------------------------------------------------------------------------------

OURS = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "console  TESTS")]))
THEIRS = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Others")]))
NETWORK = x509.IPAddress(ipaddress.ip_network("192.0.2.0/24"))


def forbidden(
    *san: str, permitted: list[x509.GeneralName] | None = None, excluded: list[x509.GeneralName] | None = None
) -> list[str]:
    root = CA.root()
    ca = root.intermediate(name_constraints=x509.NameConstraints(permitted, excluded))
    return list(violations(ca.certificate, ca.issue("bot", san=san).certificate))


@pytest.mark.parametrize(
    ("base", "inside", "outside"),
    [
        (x509.DNSName("example.com"), ["example.com", "a.b.EXAMPLE.com"], ["notexample.com", "example.org"]),
        (x509.DNSName(""), ["example.com"], []),
        (x509.RFC822Name("example.com"), ["a@example.com"], ["a@b.example.com", "a@example.org"]),
        (x509.RFC822Name(".example.com"), ["a@b.example.com"], ["a@example.com"]),
        (x509.RFC822Name("a@example.com"), ["a@example.com", "a@EXAMPLE.com"], ["b@example.com", "A@example.com"]),
        (
            x509.UniformResourceIdentifier("example.com"),
            ["https://u@example.com:8443/x"],
            ["https://b.example.com/", "urn://x"],
        ),
        (NETWORK, ["192.0.2.9"], ["192.0.3.9", "2001:db8::1"]),
    ],
)
def test_alternative_names(base: x509.GeneralName, inside: list[str], outside: list[str]) -> None:
    for name in inside:
        assert forbidden(name, permitted=[base]) == []
        assert forbidden(name, excluded=[base]) == [name]
    for name in outside:
        assert forbidden(name, permitted=[base]) == [name]
        assert forbidden(name, excluded=[base]) == []


def test_subjects() -> None:
    assert forbidden(permitted=[OURS]) == []
    assert forbidden(permitted=[THEIRS]) == ["CN=bot,O=Console tests"]
    assert forbidden(excluded=[OURS]) == ["CN=bot,O=Console tests"]
    assert forbidden(permitted=[x509.DNSName("example.com")]) == []


@pytest.mark.parametrize("uri", ["https://evil.test?x=@bank.test", "https://evil.test#@bank.test", "https://[1"])
def test_the_host_of_a_uri_is_where_it_leads(uri: str) -> None:
    assert forbidden(uri, permitted=[x509.UniformResourceIdentifier("bank.test")]) == [uri]
    assert not forbidden("https://bank.TEST:8/x@y", permitted=[x509.UniformResourceIdentifier("bank.test")])


def test_an_email_address_in_the_subject_counts() -> None:
    ca = CA.root().intermediate(name_constraints=x509.NameConstraints([x509.RFC822Name("example.com")], None))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.EMAIL_ADDRESS, "bot@example.org")])

    assert list(violations(ca.certificate, ca.issue(subject=subject).certificate)) == ["bot@example.org"]


def test_a_violation_makes_the_chain_invalid() -> None:
    ca = CA.root().intermediate("Narrow", name_constraints=x509.NameConstraints([THEIRS], None))

    assert "does not permit the name CN=client.example" in problem_of(ca.issue())


def test_a_self_signed_leaf_has_no_issuer() -> None:
    issued = self_signed(subject=distinguished_name("alone"))

    chain = build_chain(issued.certificate, [CA.root().certificate], now=NOW)

    assert chain.path == (issued.certificate,)
