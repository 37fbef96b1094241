"""Requests: what is asked for is understood or refused in one sentence, and OpenSSL reads what is made."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from botplatform.errors import InvalidInput
from certificates.pki import csr
from certificates.pki.csr import KeyKind
from certificates.pki.secret import Secret
from certificates.pki.subjects import asked_by, asked_for, parse_san, parse_subject, san_text
from tests.pki import CA

SANS = ["dns:client.acme.example", "ip:192.0.2.7", "email:ops@acme.example", "uri:spiffe://acme/bank"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("CN=client,O=Acme,C=DE", "CN=client,O=Acme,C=DE"),
        ("cn=client, o=Acme", "CN=client,O=Acme"),
        ("CN = client, O = Acme", "CN=client,O=Acme"),
        ("CN=Smith\\, Jones+ ou=a", "CN=Smith\\, Jones+OU=a"),
        ("emailAddress=a@acme.example", "1.2.840.113549.1.9.1=a@acme.example"),
        ("CN=Grün", "CN=Grün"),
    ],
)
def test_subjects_as_people_write_them(typed: str, meant: str) -> None:
    assert parse_subject(typed).rfc4514_string() == meant


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("client.acme.example", "“client.acme.example” is no subject: write it in RFC 4514 form, for example CN="),
        ("/CN=a/O=b", "is no subject"),
        ("CN=", "a value has 0 characters, not 1 to 64"),
        ("C=Germany", "a value has 7 characters, not 2 to 2"),
        ("C=1x", "C is a country’s two letters"),
        ("CN=a\\00b", "a character that cannot be shown"),
        ("CN=\ud800", "is no subject"),
        ("CN=#ff", "is no subject"),
        ("CN=" + "a," * 600, "The subject is longer than 1000 characters."),
    ],
)
def test_subjects_refused(typed: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_subject(typed)
    assert told in refused.value.text
    assert refused.value.field == "subject"
    refused.value.text.encode()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("client.acme.example", "dns:client.acme.example"),
        ("DNS:*.Acme.Example.", "dns:*.acme.example"),
        ("192.0.2.7", "ip:192.0.2.7"),
        ("2001:db8::0:1", "ip:2001:db8::1"),
        ("dns:bücher.example", "dns:xn--bcher-kva.example"),
        *((name, name) for name in SANS),
    ],
)
def test_alternative_names_as_people_write_them(typed: str, meant: str) -> None:
    assert san_text(parse_san(typed)) == meant


@pytest.mark.parametrize(
    "typed",
    ["", "dns:", "dns:192.0.2.7", "ip:bank", "email:ops", "uri:bank", "uri:http://[", "spiffe://acme/bank", "a,b"],
)
def test_alternative_names_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match="write dns:NAME, ip:ADDRESS, email:ADDRESS or uri:URI") as refused:
        parse_san(typed)
    assert refused.value.field == "san"


@pytest.mark.parametrize("typed", ["foo bar", "dns:foo bar", "uri:urn:a urn:b"])
def test_two_alternative_names_in_one_are_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match=f"“{typed}” is no alternative name, for it holds a space: write each") as no:
        parse_san(typed)
    assert no.value.field == "san"


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_text_is_understood_or_refused(subject: str, san: str) -> None:
    for read, text in ((parse_subject, subject), (parse_subject, f"CN={subject}"), (parse_san, san)):
        try:
            read(text)
        except InvalidInput as refused:
            refused.text.encode()


def test_somebody_must_be_named() -> None:
    with pytest.raises(InvalidInput, match="The subject is missing"):
        asked_for(" ", [])
    assert asked_for("", ["uri:spiffe://acme/bank"]).subject_text == ""
    with pytest.raises(InvalidInput, match="at most 100"):
        asked_for("CN=a", [f"a{n}.example" for n in range(101)])


@pytest.mark.parametrize("kind", list(KeyKind))
def test_openssl_reads_the_request(kind: KeyKind) -> None:
    key = csr.make_key(kind)
    der = csr.build(key, asked_for("CN=client,O=Acme,C=DE", SANS))
    command = ["openssl", "req", "-inform", "DER", "-noout", "-verify", "-subject", "-text"]
    done = subprocess.run(command, input=der, capture_output=True, timeout=30)
    text = done.stdout.decode() + done.stderr.decode()
    assert "verify OK" in text
    assert "subject=C = DE, O = Acme, CN = client" in text
    assert "DNS:client.acme.example, IP Address:192.0.2.7, email:ops@acme.example, URI:spiffe://acme/bank" in text
    assert "TLS Web Client Authentication" in text

    request = x509.load_der_x509_csr(der)
    assert request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    assert list(request.attributes) == [request.attributes[0]], "the extensions and nothing else"


def test_a_challenge_stands_in_the_request() -> None:
    key, asked = csr.make_key(KeyKind.ED25519), asked_for("CN=a", [])
    request = x509.load_der_x509_csr(csr.build(key, asked, challenge=Secret(b"let me in")))
    assert request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value == b"let me in"
    for wrong in (b"", b"a" * 256, b"two\nlines", "größe".encode()):
        with pytest.raises(InvalidInput) as refused:
            csr.build(key, asked, challenge=Secret(wrong))
        assert refused.value.field == "challenge"


NAMES = {
    "not printable": [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Muster\u00a0GmbH")],
    "a control character": [x509.NameAttribute(NameOID.COMMON_NAME, "a\tb")],
    "long": [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "y" * 60)] * 20,
}
UNTYPED = [
    x509.DNSName("10.0.0.1"),
    x509.DNSName("w*.example"),
    x509.DNSName("a b"),
    x509.DNSName("Host.Example"),
    x509.RFC822Name("nobody"),
    x509.UniformResourceIdentifier("a/b"),
    x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x03a@b"),
    x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_nobody_types_are_asked_for_again_as_they_are(name: str) -> None:
    subject, sans = x509.Name(NAMES[name]), [x509.DNSName("a.example"), *UNTYPED]
    extensions = [(x509.SubjectAlternativeName(sans), False)]
    leaf = CA.root().issue(subject=subject, extensions=extensions).certificate
    asked = asked_for(None, None, past=asked_by(leaf))
    request = x509.load_der_x509_csr(csr.build(csr.make_key(KeyKind.EC_P256), asked))
    assert request.subject.public_bytes() == leaf.subject.public_bytes()
    assert list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == sans
    assert (asked.typed_subject, asked.typed_sans) == ("", ["dns:a.example"])
    assert asked.san_texts[1:] == [
        "dns:10.0.0.1", "dns:w*.example", "dns:a b", "dns:Host.Example", "email:nobody", "uri:a/b",
        "other name:1.3.6.1.4.1.311.20.2.3", "directory name:CN=x", "registered ID:1.2.3",
    ]  # fmt: skip
    assert asked_for("CN=new", ["b.example"], past=asked) == asked_for("CN=new", ["b.example"])


def test_alternative_names_are_critical_where_there_is_no_subject() -> None:
    """RFC 5280, 4.2.1.6."""
    for subject, critical in (("", True), ("CN=a", False)):
        request = x509.load_der_x509_csr(csr.build(csr.make_key(KeyKind.EC_P256), asked_for(subject, ["a.example"])))
        assert request.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical is critical


def test_what_a_renewal_asks_for() -> None:
    leaf = CA.root().issue("client.example", san=["client.example", "192.0.2.7", "spiffe://acme/bank"]).certificate
    asked = asked_by(leaf)
    assert asked.subject == leaf.subject
    assert asked.san_texts == ["dns:client.example", "ip:192.0.2.7", "uri:spiffe://acme/bank"]
    assert asked_for(asked.subject_text, asked.san_texts).sans == asked.sans
