"""The hand-over pack, against the tools and servers that its lines are for."""

from __future__ import annotations

import http.client
import io
import os
import re
import ssl
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from certificates.pki.handover import names
from certificates.pki.handover.pack import CHECKS, Pack
from certificates.pki.handover.servers import FOLDER
from tests.pki import CA, Issued
from tests.servers import haproxy_server, need, nginx_server


def name_of(*parts: tuple[tuple[x509.ObjectIdentifier, str], ...]) -> x509.Name:
    return x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in part]) for part in parts]
    )


def pack_of(issued: Issued) -> Pack:
    return Pack("acme/bank, version 1 (active)", issued.certificate, issued.chain, issued.root)


def unpack(pack: Pack, folder: Path) -> Path:
    zipfile.ZipFile(io.BytesIO(pack.zipped())).extractall(folder)
    return folder


def said(command: str, folder: Path) -> str:
    done = subprocess.run(["sh", "-ec", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


PLAIN = name_of(
    ((NameOID.COUNTRY_NAME, "DE"),), ((NameOID.ORGANIZATION_NAME, "Acme, Inc."),), ((NameOID.COMMON_NAME, "bot"),)
)
ODD = name_of(
    ((NameOID.ORGANIZATION_NAME, 'Müller "AG" <x>; {y} %{z} #'),),
    ((NameOID.COMMON_NAME, "#1 $x \\ 'y' $(id) "), (NameOID.SERIAL_NUMBER, "12")),
)
LONG = name_of(
    ((NameOID.DOMAIN_COMPONENT, "bank"),),
    ((NameOID.EMAIL_ADDRESS, "a@b.example"),),
    ((NameOID.ORGANIZATION_IDENTIFIER, "VATDE-1"),),
    ((NameOID.JURISDICTION_COUNTRY_NAME, "DE"),),
    ((NameOID.COMMON_NAME, "tab\tand/😀"),),
)
QUOTED = name_of(
    ((NameOID.ORGANIZATION_NAME, 'Müller "AG" <x>; {y} %z #'),), ((NameOID.COMMON_NAME, " back\\slash, (etc) "),)
)
ESCAPED = name_of(((NameOID.ORGANIZATION_NAME, 'The "Bank"'),), ((NameOID.COMMON_NAME, "back\\slash"),))
SUBJECTS = {"plain": PLAIN, "escaped": ESCAPED, "quoted": QUOTED, "odd": ODD, "long": LONG}


@pytest.mark.parametrize("kind", SUBJECTS)
def test_names_are_spelled_as_openssl_spells_them(kind: str, tmp_path: Path) -> None:
    issued = CA.root().issue(subject=SUBJECTS[kind])
    (tmp_path / "leaf.pem").write_bytes(issued.cert_pem)
    for form, spelled in (("RFC2253", names.rfc2253), ("oneline", names.oneline)):
        told = said(f"{need('openssl')} x509 -in leaf.pem -noout -subject -nameopt {form}", tmp_path)
        assert told == f"subject={spelled(issued.certificate.subject)}\n"


def test_a_name_that_openssl_would_not_write_as_text_is_not_spelled() -> None:
    odd = name_of(((x509.ObjectIdentifier("1.2.3.4.5"), "x"),))
    assert (names.rfc2253(odd), names.oneline(odd)) == (None, None)
    lines = "".join(one.text for one in pack_of(CA.root().issue(subject=odd)).lines)
    assert "ssl_client_fingerprint" in lines
    assert "ssl_c_sha1" in lines


def test_openssl_says_what_the_pack_says(tmp_path: Path) -> None:
    need("openssl")
    pack = pack_of(CA.root().intermediate().issue(subject=PLAIN, key="rsa-2048"))
    facts = {fact.label: fact.value for fact in pack.facts}
    told = said(CHECKS, unpack(pack, tmp_path)).splitlines()
    assert told[0].partition("=")[2] == facts["SHA-256"]
    assert told[1].partition("=")[2] == facts["SHA-1"]
    assert told[2:5] == [
        f"serial={facts['Serial (openssl -serial)']}",
        f"subject={facts['Subject (nginx, HAProxy)']}",
        f"issuer={facts['Issuer (nginx, HAProxy)']}",
    ]
    assert told[5:] == [facts["SPKI pin (SHA-256, base64)"], "leaf.pem: OK"]
    assert int(facts["Serial (hexadecimal)"].replace(":", ""), 16) == int(facts["Serial (decimal)"])
    for what in ("SHA-256", "SHA-1"):
        spellings = [facts[f"{what}{how}"] for how in ("", ", no colons", ", lower case", ", lower, no colons")]
        assert len(set(spellings)) == 4
        assert len({spelling.replace(":", "").lower() for spelling in spellings}) == 1


def test_what_is_in_the_zip(tmp_path: Path) -> None:
    issued = CA.root().intermediate("Upper", path_length=1).intermediate("Lower").issue(subject=ODD)
    pack = pack_of(issued)
    folder = unpack(pack, tmp_path)
    assert pack.zipped() == pack_of(issued).zipped()
    assert (folder / "leaf.der").read_bytes() == issued.der
    assert (folder / "chain.pem").read_bytes() == issued.chain_pem
    trusted = x509.load_pem_x509_certificates((folder / "client-ca.pem").read_bytes())
    assert trusted == [issued.root, issued.chain[1], issued.chain[0]]
    assert (folder / "README.txt").read_text() == pack.text
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in content
    assert issued.key_pkcs8_der not in content


def test_a_pack_without_the_root_says_what_to_get() -> None:
    issued = CA.root("Bank root").intermediate().issue()
    pack = Pack("x", issued.certificate, issued.chain, None)
    assert "“Bank root”" in pack.missing
    assert pack.missing in pack.text
    bare = Pack("x", issued.certificate)
    assert "“Test issuing CA”" in bare.missing
    assert "client-ca.pem" not in bare.files()
    assert pack_of(issued).missing == ""


def test_a_leaf_that_signed_itself_is_what_servers_trust(tmp_path: Path) -> None:
    alone = CA.root("self").certificate
    pack = Pack("x", alone)
    assert (pack.trusted, pack.missing) == ((alone,), "")
    assert "-file leaf.pem" in (unpack(pack, tmp_path) / "servers/java.sh").read_text()


# --- The lines, in the servers they are for ---------------------------------------------------------------------------


@contextmanager
def connected(port: int, authority: CA, client: Issued | None, folder: Path) -> Iterator[int]:
    """The HTTP status that the client gets; 0 if the server ends the connection."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if client is not None:
        (folder / "client.pem").write_bytes(client.chain_pem + client.key_pem)
        context.load_cert_chain(folder / "client.pem")
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    try:
        connection.request("GET", "/")
        yield connection.getresponse().status
    except (ssl.SSLError, ConnectionError):
        yield 0
    finally:
        connection.close()


def lines_of(pack: Pack, server: str, folder: Path) -> str:
    """The lines as the file of the pack holds them, with the files where the pack was unpacked."""
    return (unpack(pack, folder) / "servers" / server).read_text().replace(FOLDER, str(folder))


@pytest.mark.peers
@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("server", ["nginx", "haproxy"])
def test_the_lines_let_in_this_client_and_no_other(server: str, kind: str, tmp_path: Path) -> None:
    authority, client_ca = CA.root("Server root"), CA.root("Client root").intermediate()
    client, other, stranger = client_ca.issue(subject=SUBJECTS[kind]), client_ca.issue("other"), CA.root().issue()
    own = authority.issue("localhost", san=("localhost",), eku=("serverAuth",))
    pack = pack_of(client)
    if server == "nginx":
        running = nginx_server(own, client_ca=None, lines=[lines_of(pack, "nginx.conf", tmp_path)])
    else:
        running = haproxy_server(own, client_ca=None, frontend=lines_of(pack, "haproxy.cfg", tmp_path))
    statuses = []
    with running as peer:
        for who in (client, other, stranger, None):
            with connected(peer.port, authority, who, tmp_path) as status:
                statuses.append(status)
    refused = [400, 400] if server == "nginx" else [0, 0]
    assert statuses == [200, 403, *refused]


@pytest.mark.slow
def test_keytool_makes_the_trust_store(tmp_path: Path) -> None:
    keytool = need_or_skip("keytool")
    pack = pack_of(CA.root("Client root").intermediate().issue())
    folder = unpack(pack, tmp_path)
    done = subprocess.run(
        ["sh", "-ec", (folder / "servers/java.sh").read_text()],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "STOREPASS": "changeit", "PATH": f"{Path(keytool).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = set(re.findall(r"\(SHA-256\): ([0-9A-F:]+)", done.stdout))
    found = {fingerprint(certificate) for certificate in pack.trusted}
    assert listed == found


def need_or_skip(binary: str) -> str:
    """keytool comes with Java, which nothing else here needs: never a failure where it is missing."""
    folders = [folder for folder in os.environ["PATH"].split(":") if (Path(folder) / binary).exists()]
    if not folders:
        pytest.skip(f"{binary} is not installed")
    return f"{folders[0]}/{binary}"


def fingerprint(certificate: x509.Certificate) -> str:
    (first,) = (fact.value for fact in Pack("x", certificate).facts if fact.label == "SHA-256")
    return first


def test_the_lines_for_envoy_are_yaml_that_names_the_pin() -> None:
    pack = pack_of(CA.root().issue(subject=ODD))
    (envoy,) = (one.text for one in pack.lines if one.file == "envoy.yaml")
    config = yaml.safe_load(envoy)["transport_socket"]["typed_config"]
    assert config["require_client_certificate"] is True
    (pin,) = config["common_tls_context"]["validation_context"]["verify_certificate_spki"]
    assert pin in {fact.value for fact in pack.facts}
