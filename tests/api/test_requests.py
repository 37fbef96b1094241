"""Requests and replies over the HTTP API."""

from __future__ import annotations

import pytest
from cryptography import x509

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion
from tests.api.caller import Caller, caller_of
from tests.certificates.services.test_requesting import statuses
from tests.factories import make_certificate
from tests.pki import CA

pytestmark = pytest.mark.django_db
BANK = "/bots/acme/certificates/bank"


def signed(csr_pem: str, ca: CA, **options: object) -> bytes:
    csr = x509.load_pem_x509_csr(csr_pem.encode())
    return ca.issue(public_key=csr.public_key(), subject=csr.subject, **options).chain_pem  # type: ignore[arg-type]


def test_a_new_certificate_and_its_renewal(call: Caller, bot: Bot) -> None:
    wish = {"subject": "CN=client,O=Acme", "san": ["client.example"], "key": "ed25519"}
    answer = call("POST", f"{BANK}/csr", wish)
    told = answer.json()
    assert (answer.status_code, told["certificate"], told["san"]) == (201, "acme/bank", ["dns:client.example"])
    version = told["version"]
    assert (version["number"], version["status"], version["key"]["type"]) == (1, "draft", "ed25519")
    assert [version[name] for name in ("issuer", "serial", "sha256", "not_before", "not_after")] == [None] * 5
    assert answer["ETag"] == call("GET", BANK)["ETag"]
    assert call("GET", BANK).json()["active"] is None
    assert call("GET", answer["Location"].removeprefix("/api/v1")).json() == told
    assert call("GET", f"{BANK}/versions").json()["items"] == [version]

    reply = signed(told["csr"], CA.root())
    checked = call.upload(f"{BANK}/reply", {"files": reply, "check": "true"}).json()
    assert (checked["version"], checked["status"], checked["changed"], statuses()) == (
        1,
        "active",
        True,
        [(1, "draft")],
    )
    done = call.upload(f"{BANK}/reply", {"files": reply})
    assert (done.status_code, done.json()["changed"], statuses()) == (200, True, [(1, "active")])
    assert done["ETag"] == call("GET", BANK)["ETag"] != answer["ETag"]
    again = call.upload(f"{BANK}/reply", {"files": reply}).json()
    assert (again["version"], again["status"], again["changed"]) == (1, "active", False)

    renewal = call("POST", f"{BANK}/csr", {}).json()
    assert renewal["version"]["subject"] == "CN=client,O=Acme"
    call.upload(f"{BANK}/reply", {"files": signed(renewal["csr"], CA.root("New"))})
    assert statuses() == [(1, "active"), (2, "staged")]
    assert call("GET", f"{BANK}/csr/2").json()["version"]["status"] == "staged"


def test_a_refused_reply_carries_what_was_seen(call: Caller, bot: Bot) -> None:
    csr = call("POST", f"{BANK}/csr", {"subject": "CN=a"}).json()["csr"]
    strange = call.upload(f"{BANK}/reply", {"files": CA.root().issue().chain_pem})
    assert (strange.status_code, strange.json()["code"]) == (422, "key_does_not_match")
    server = signed(csr, CA.root(), eku=("serverAuth",))
    refused = call.upload(f"{BANK}/reply", {"files": server})
    assert (refused.status_code, refused.json()["findings"]) == (422, ["client_auth_missing"])
    assert refused.json()["inspection"]["leaf"]["eku"] == ["serverAuth"]
    allowed = call.upload(f"{BANK}/reply", {"files": server, "allow": "client_auth_missing"})
    assert (allowed.status_code, statuses()) == (200, [(1, "active")])


def test_a_request_is_given_up(call: Caller, bot: Bot) -> None:
    make_certificate(bot, "bank", issued=CA.root().issue())
    assert call("GET", f"{BANK}/csr/1").status_code == 404, "it was imported"
    assert call("DELETE", f"{BANK}/csr/1").status_code == 404
    csr = call("POST", f"{BANK}/csr", {"subject": "CN=a", "san": []}).json()["csr"]
    assert [call("DELETE", f"{BANK}/csr/2").status_code for _ in range(2)] == [204, 204]
    assert statuses() == [(1, "active"), (2, "destroyed")]
    assert call("GET", f"{BANK}/csr/2").json()["version"]["sha256"] is None
    assert call.upload(f"{BANK}/reply", {"files": signed(csr, CA.root())}).status_code == 422
    csr = call("POST", f"{BANK}/csr", {"subject": "CN=a", "san": []}).json()["csr"]
    call.upload(f"{BANK}/reply", {"files": signed(csr, CA.root())})
    late = call("DELETE", f"{BANK}/csr/3")
    assert (late.status_code, late.json()["code"]) == (409, "wrong_status")


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"subject": "bank"}, "subject"),
        ({}, "subject"),
        ({"subject": "CN=a", "san": ["ip:bank"]}, "san"),
        ({"subject": "CN=a", "challenge": "größe"}, "challenge"),
        ({"subject": "CN=a", "same_key": True}, "same_key"),
    ],
)
def test_what_is_refused_names_its_field(call: Caller, bot: Bot, wish: dict[str, object], field: str) -> None:
    answer = call("POST", f"{BANK}/csr", wish)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert not CertificateVersion.objects.exists()


def test_who_may(bot: Bot, developer: User, manager: User) -> None:
    wish = {"subject": "CN=a"}
    assert caller_of(developer)("POST", f"{BANK}/csr", wish).status_code == 403
    assert caller_of(manager)("POST", f"{BANK}/csr", wish).status_code == 201
    assert caller_of(manager)("POST", "/platform/certificates/bank/csr", wish).status_code == 403
    assert caller_of(developer)("GET", f"{BANK}/csr/1").status_code == 200
    assert caller_of(developer)("DELETE", f"{BANK}/csr/1").status_code == 403
    assert caller_of(manager)("GET", "/bots/globex/certificates/bank/csr/1").status_code == 404
