"""A renewal in the browser without JavaScript: ask, send, bring the reply, look, save."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.x509.oid import AttributeOID, NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import CertificateRequest, CertificateVersion
from tests.certificates.services.test_requesting import ask, reply, sign, statuses
from tests.factories import make_certificate
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
NEW, BANK = "/bots/acme/certificate-request/", "/bots/acme/certificates/bank/"
ASKED = {"name": "bank", "subject": "CN=client,O=Acme", "san": "client.example", "key": "ec-p256"}
TOKEN = re.compile(r'name="upload" value="([^"]+)"')
CSR = re.compile(r"-----BEGIN CERTIFICATE REQUEST-----.+?-----END CERTIFICATE REQUEST-----", re.DOTALL)


def text_of(answer: object) -> str:
    return str(answer.content.decode())  # type: ignore[attr-defined]


def reply_file(content: bytes) -> dict[str, object]:
    return {"files": [SimpleUploadedFile("reply.pem", content)], "look": "1"}


def signed(page: str, ca: CA, **options: object) -> bytes:
    found = CSR.search(page)
    assert found
    csr = x509.load_pem_x509_csr(found[0].encode())
    return ca.issue(public_key=csr.public_key(), subject=csr.subject, **options).chain_pem  # type: ignore[arg-type]


def test_a_first_certificate(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    assert "Request a certificate" in text_of(client.get("/bots/acme/"))
    page = text_of(client.post(NEW, ASKED, follow=True))
    assert "Request: version 1 of bank" in page
    detail = text_of(client.get(BANK))
    assert "Open requests" in detail
    assert f"{BANK}requests/1/" in detail
    download = client.get(f"{BANK}requests/1/request.csr")
    assert download["Content-Disposition"] == 'attachment; filename="acme-bank-version-1.csr"'
    assert text_of(download).strip() == CSR.search(page)[0]  # type: ignore[index]

    preview = text_of(client.post(f"{BANK}reply/", reply_file(signed(page, CA.root("Bank root")))))
    assert "Found: client" in preview
    assert "Version 1 will be active" in preview
    assert statuses() == [(1, "draft")]
    saved = text_of(client.post(f"{BANK}reply/", {"upload": TOKEN.search(preview)[1], "save": "1"}, follow=True))  # type: ignore[index]
    assert "Version 1 of acme/bank has its certificate and is active." in saved
    assert (statuses(), "Open requests" in saved) == ([(1, "active")], False)
    answered = text_of(client.get(f"{BANK}requests/1/"))
    assert "The CA has answered it" in answered
    assert ("What the CA was asked" in answered, "Send this to the CA" in answered) == (True, False)


def test_a_renewal_is_prefilled_and_staged(sign_in: SignIn, manager: User, bot: Bot) -> None:
    make_certificate(bot, "bank", issued=CA.root().issue("client.example", san=["client.example"]))
    client = sign_in(manager)
    assert f"{NEW}?name=bank" in text_of(client.get(BANK))
    form = text_of(client.get(f"{NEW}?name=bank"))
    assert 'value="CN=client.example,' in form
    assert "dns:client.example</textarea>" in form
    assert "The key of version 1" in form
    asked = {"name": "bank", "subject": "CN=client.example", "san": "dns:client.example", "key": "same"}
    page = text_of(client.post(NEW, asked, follow=True))
    assert CertificateRequest.objects.get().same_key
    content = signed(page, CA.root("New root"))
    preview = text_of(client.post(f"{BANK}reply/", reply_file(content)))
    assert "Version 2 will be staged" in preview
    token = TOKEN.search(preview)[1]  # type: ignore[index]
    client.post(f"{BANK}reply/", {"upload": token, "save": "1"})
    assert statuses() == [(1, "active"), (2, "staged")]
    again = text_of(client.post(f"{BANK}reply/", reply_file(content)))
    assert "Version 2 holds this certificate already" in again
    assert "Nothing was changed" in text_of(client.post(f"{BANK}reply/", {"upload": token, "save": "1"}, follow=True))


@pytest.mark.parametrize(
    ("url", "san", "meant"),
    [
        (NEW, "", ["dns:client.example"]),
        (NEW, "new.example\n\n ip:192.0.2.7 ", ["dns:new.example", "ip:192.0.2.7"]),
        (f"{NEW}?name=bank", "", []),  # it was prefilled, and somebody took the names out
    ],
)
def test_what_a_renewal_leaves_blank_is_that_of_the_version_it_renews(
    sign_in: SignIn, manager: User, bot: Bot, url: str, san: str, meant: list[str]
) -> None:
    issued = CA.root().issue("client.example", san=["client.example"])
    make_certificate(bot, "bank", issued=issued)
    typed = {"name": " bank ", "subject": "", "san": san, "key": "ec-p256"}
    page = text_of(sign_in(manager).post(url, typed, follow=True))
    csr = x509.load_pem_x509_csr(CSR.search(page)[0].encode())  # type: ignore[index]
    assert csr.subject == issued.certificate.subject
    assert CertificateRequest.objects.get().sans == meant


def test_names_that_nobody_can_type_are_renewed_where_they_are_left_alone(
    sign_in: SignIn, manager: User, bot: Bot
) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Muster\u00a0GmbH")])
    sans = x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("10.0.0.1")])
    issued = CA.root().issue(subject=subject, extensions=[(sans, False)])
    make_certificate(bot, "bank", issued=issued)
    client = sign_in(manager)
    page = text_of(client.get(f"{NEW}?name=bank"))
    assert "Left as they are, these stay too: dns:10.0.0.1." in page
    shown = {"name": "bank", "subject": "", "san": "dns:a.example\r\n", "key": "ec-p256"}
    for typed, meant in ((shown, list(sans)), (shown | {"san": "b.example"}, [x509.DNSName("b.example")])):
        page = text_of(client.post(f"{NEW}?name=bank", typed, follow=True))
        csr = x509.load_pem_x509_csr(CSR.search(page)[0].encode())  # type: ignore[index]
        assert csr.subject.public_bytes() == subject.public_bytes()
        assert list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == meant


def test_the_form_says_what_it_is_for(sign_in: SignIn, manager: User, bot: Bot) -> None:
    ask(bot, "asked")
    make_certificate(bot, "bank", issued=CA.root().issue())
    client = sign_in(manager)
    optional = 'for="id_subject">Subject <span class="optional">'
    for url in (NEW, f"{NEW}?name=asked", f"{NEW}?name=new"):
        page = text_of(client.get(url))
        assert f"<h1>Request a certificate for {bot.name}</h1>" in page
        assert (optional in page, 'for="id_name"' in page) == (False, True)
    page = text_of(client.get(f"{NEW}?name=bank"))
    assert "<h1>Request a renewal of bank</h1>" in page
    assert (optional in page, 'for="id_name"' in page) == (True, False), "whose renewal it is stands in the title"
    assert "Left blank: as in version 1." in page
    page = text_of(client.post(NEW, {"name": "bank", "san": "foo bar", "key": "ec-p256"}))
    assert "<h1>Request a renewal of bank</h1>" in page
    assert 'for="id_name"' in page, "it was typed, and may be typed anew"
    assert page.count("Left blank: as in version 1.") == 2, "nothing was prefilled"
    assert [("Request a renewal" in text_of(client.get(url))) for url in (BANK, "/bots/acme/certificates/asked/")] == [
        True,
        False,
    ]


def test_a_challenge_is_shown_once(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    page = text_of(client.post(NEW, ASKED | {"challenge": "let me in"}))
    assert "is shown this once" in page
    told = x509.load_pem_x509_csr(CSR.search(page)[0].encode())  # type: ignore[index]
    assert told.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value == b"let me in"
    later = x509.load_pem_x509_csr(CSR.search(text_of(client.get(f"{BANK}requests/1/")))[0].encode())  # type: ignore[index]
    assert len(list(later.attributes)) == 1, "the extensions alone"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"subject": "bank"}, "is no subject"),
        ({"san": "ip:bank"}, "is no IP address"),
        ({"san": "a.example\nfoo bar"}, "“foo bar” is no alternative name, for it holds a space"),
        ({"name": "Bank"}, "id_name_error"),
        ({"subject": "", "san": ""}, "The subject is missing"),
        ({"subject": ""}, "The subject is missing"),
        ({"subject": " ", "name": ""}, "The subject is missing"),
        ({"key": "same"}, "Select a valid choice"),
        ({"challenge": "größe"}, "printable ASCII"),
    ],
)
def test_what_is_refused_is_told_beside_its_field(
    sign_in: SignIn, manager: User, bot: Bot, change: dict[str, str], told: str
) -> None:
    answer = sign_in(manager).post(NEW, ASKED | change)
    assert (answer.status_code, told in text_of(answer)) == (422, True)
    assert not CertificateVersion.objects.exists()


def test_all_that_is_wrong_is_told_at_once(sign_in: SignIn, manager: User, bot: Bot) -> None:
    wrong = {"name": "No slug", "subject": "bank", "san": "foo bar", "challenge": "größe", "key": "rsa-1024"}
    page = text_of(sign_in(manager).post(NEW, wrong))
    assert [f'id="id_{name}_error"' in page for name in wrong] == [True] * len(wrong)
    page = text_of(sign_in(manager).post(NEW, ASKED | {"subject": "bank", "challenge": "let me in"}))
    assert ("Type it again: a page never repeats a secret." in page, "let me in" in page) == (True, False)


def test_a_reply_that_is_refused(sign_in: SignIn, manager: User, bot: Bot) -> None:
    requested, client = ask(bot), sign_in(manager)
    for content, told in (
        (CA.root().issue().chain_pem, "The files hold no certificate for the key of version 1"),
        (b"nonsense", "id_files_error"),
    ):
        answer = client.post(f"{BANK}reply/", reply_file(content))
        assert (answer.status_code, told in text_of(answer)) == (422, True)
    server = sign(CA.root(), requested, eku=("serverAuth",)).chain_pem
    preview = text_of(client.post(f"{BANK}reply/", reply_file(server)))
    token = TOKEN.search(preview)[1]  # type: ignore[index]
    refused = client.post(f"{BANK}reply/", {"upload": token, "save": "1"})
    assert (refused.status_code, statuses()) == (422, [(1, "draft")])
    client.post(f"{BANK}reply/", {"upload": token, "save": "1", "allow": "client_auth_missing"})
    assert statuses() == [(1, "active")]
    assert client.post(f"{BANK}reply/", {"look": "1"}).status_code == 422


def test_the_chain_is_brought_later(sign_in: SignIn, manager: User, bot: Bot) -> None:
    requested = ask(bot)
    issued = sign(CA.root().intermediate(), requested)
    reply(requested, issued.der)
    client = sign_in(manager)
    preview = text_of(client.post(f"{BANK}reply/", reply_file(issued.chain_pem)))
    assert "Version 1 holds this certificate with less of its chain." in preview
    saved = client.post(f"{BANK}reply/", {"upload": TOKEN.search(preview)[1], "save": "1"}, follow=True)  # type: ignore[index]
    assert "Version 2 of acme/bank has its certificate and is staged." in text_of(saved)


def test_a_request_is_discarded(sign_in: SignIn, manager: User, bot: Bot) -> None:
    ask(bot)
    client = sign_in(manager)
    page = text_of(client.get(f"{BANK}versions/1/destroy/"))
    assert "requested, without a certificate yet" in page
    assert ("<h1>Discard version 1 of bank</h1>" in page, "Destroy" in page) == (True, False)
    state = re.search(r'name="state" value="([^"]+)"', page)
    done = client.post(f"{BANK}versions/1/destroy/", {"state": state[1]}, follow=True)  # type: ignore[index]
    assert "Version 1 of acme/bank is discarded." in text_of(done)
    assert statuses() == [(1, "destroyed")]
    assert "unknown" not in versions_of(client), "what was never issued does not expire"
    discarded = text_of(client.get(f"{BANK}requests/1/"))
    assert ("It was discarded" in discarded, "Send this to the CA" in discarded) == (True, False)


def versions_of(client: Client) -> str:
    """The table of versions on the certificate's page."""
    return text_of(client.get(BANK)).partition('id="versions-title"')[2].partition("</table>")[0]


def test_an_open_request_in_the_list_of_versions(sign_in: SignIn, manager: User, viewer: User, bot: Bot) -> None:
    requested, client = ask(bot), sign_in(manager)
    page = versions_of(client)
    assert page.count(f'href="{BANK}requests/1/"') == 2, "beside its number, and as what is to be done"
    assert ">Bring the reply</a>" in page
    assert (">Discard</a>" in page, "Destroy" in page) == (True, False)
    assert ("once issued" in page, "unknown" in page) == (True, False)
    watching = versions_of(sign_in(viewer))
    assert (f'href="{BANK}requests/1/"' in watching, "Bring the reply" in watching) == (True, False)
    reply(requested, sign(CA.root(), requested).chain_pem)
    assert (
        f'href="{BANK}requests/1/">Signed<span class="visually-hidden">: request of version 1</span></a>'
        in versions_of(client)
    )


def test_who_sees_what(sign_in: SignIn, viewer: User, manager: User, stranger: User, bot: Bot) -> None:
    ask(bot)
    ask(None)
    watching = sign_in(viewer)
    page = text_of(watching.get(f"{BANK}requests/1/"))
    assert CSR.search(page)
    assert "Certificate managers bring it" in page
    assert [watching.get(url).status_code for url in (NEW, f"{BANK}reply/")] == [403, 403]
    assert watching.get(f"{BANK}requests/9/").status_code == 404
    assert watching.get(f"{BANK}requests/99999999999999/").status_code == 404
    assert sign_in(stranger).get(f"{BANK}requests/1/").status_code == 404
    assert sign_in(manager).get("/platform/certificate-request/").status_code == 403
    assert sign_in(manager).get("/platform/certificates/bank/requests/1/").status_code == 200


def test_drafts_in_lists_and_the_admin(sign_in: SignIn, administrator: User, bot: Bot) -> None:
    requested = ask(bot)
    client = sign_in(administrator)
    assert "No active version" in text_of(client.get("/certificates/?q=bank"))
    assert "acme/bank" not in text_of(client.get("/certificates/?show=expiring"))
    assert client.get("/").status_code == 200
    for model, key in (("clientcertificate", requested.certificate.pk), ("certificateversion", requested.version.pk)):
        for url in (f"/admin/certificates/{model}/", f"/admin/certificates/{model}/{key}/change/"):
            assert client.get(url).status_code == 200, url


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_names_that_cannot_be_typed_stay_whatever_line_ends_a_browser_sends(
    sign_in: SignIn, manager: User, bot: Bot, line_end: str
) -> None:
    names = [x509.DNSName("a.example"), x509.DNSName("b.example"), x509.DNSName("10.0.0.1")]
    extension = (x509.SubjectAlternativeName(names), False)
    make_certificate(bot, "bank", issued=CA.root().issue("client.example", extensions=[extension]))
    client, path = sign_in(manager), "/bots/acme/certificate-request/?name=bank"
    form = client.get(path).context["form"]
    typed = {name: form[name].value() for name in ("name", "subject", "key")}
    client.post(path, {**typed, "san": form["san"].value().replace("\n", line_end), "challenge": ""})
    assert len(CertificateRequest.objects.get().sans) == 3


def test_a_staged_first_version_is_to_be_promoted(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue())
    certificate.versions.update(status="staged", turn=None)
    page = sign_in(manager).get(certificate.get_absolute_url()).content.decode()
    assert "Promote the staged one." in page
