"""Import and inspection over the HTTP API, and requests that are sent twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError
from django.utils import timezone

from botplatform.accounts.models import User
from botplatform.api_kit.models import KeptAnswer
from botplatform.bots.models import Bot
from certificates.models import CertificateVersion, ClientCertificate
from tests.api.caller import Caller, bundle, caller_of
from tests.factories import make_certificate, make_node
from tests.pki import CA

pytestmark = pytest.mark.django_db
CERTIFICATES = "/bots/acme/certificates"


@pytest.fixture(scope="module")
def authority() -> CA:
    return CA.root().intermediate()


def test_import_read_and_delete(call: Caller, bot: Bot, authority: CA) -> None:
    issued = authority.issue("client.example")
    answer = call.upload(CERTIFICATES, {"name": "api", "files": bundle(issued), "default": "true"})
    made = answer.json()
    assert (answer.status_code, made["certificate"], made["version"]) == (201, "acme/api", 1), made
    again = call.upload(CERTIFICATES, {"name": "api", "files": bundle(issued)})
    assert (again.status_code, again.json()["changed"]) == (200, False)
    read = call("GET", f"{CERTIFICATES}/api")
    assert (read.json()["is_default"], read.json()["active"]["sha256"]) == (True, made["leaf"]["sha256"])
    chain = call("GET", f"{CERTIFICATES}/api/chain.pem")
    assert chain["Content-Type"] == "application/x-pem-file"
    assert chain.content == issued.chain_pem
    staged = call.upload(
        f"{CERTIFICATES}/api/versions", {"files": bundle(authority.issue("new.example")), "stage": "1"}
    )
    assert (staged.status_code, staged.json()["version"]) == (201, 2)
    versions = call("GET", f"{CERTIFICATES}/api/versions").json()["items"]
    assert [(version["number"], version["status"]) for version in versions] == [(2, "staged"), (1, "active")]
    assert call("DELETE", f"{CERTIFICATES}/api", if_match=read["ETag"]).status_code == 412
    assert call("DELETE", f"{CERTIFICATES}/api").status_code == 409  # the default
    ClientCertificate.objects.update(is_default=False)
    assert call("DELETE", f"{CERTIFICATES}/api", if_match=call("GET", f"{CERTIFICATES}/api")["ETag"]).status_code == 204
    assert call.upload(f"{CERTIFICATES}/api/versions", {"files": bundle(issued)}).status_code == 404


def test_a_refused_import_shows_what_was_seen(call: Caller, bot: Bot, authority: CA) -> None:
    weak = authority.issue("weak.example", eku=("serverAuth",))
    answer = call.upload(CERTIFICATES, {"name": "api", "files": bundle(weak)})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["findings"]) == (
        422,
        "import_refused",
        ["client_auth_missing"],
    )
    assert problem["inspection"]["leaf"]["subject"].startswith("CN=weak.example")
    allowed = call.upload(CERTIFICATES, {"name": "api", "files": bundle(weak), "allow": "client_auth_missing"})
    assert allowed.status_code == 201
    nothing = call.upload(CERTIFICATES, {"name": "api", "files": b"hello"}).json()
    assert (nothing["status"], nothing["code"]) == (422, "malformed")
    sealed = call.upload(CERTIFICATES, {"name": "api", "files": weak.p12(b"otters")}).json()
    assert sealed["code"] == "passphrase_required"
    assert "otters" not in str(sealed)


def test_inspection_and_check_store_nothing(call: Caller, manager: User, bot: Bot, authority: CA) -> None:
    files = bundle(authority.issue("client.example"))
    seen = call.upload("/bundles/inspect", {"files": files}).json()
    assert (seen["importable"], seen["leaf"]["eku"]) == (True, ["clientAuth"])
    of_bot = caller_of(manager, bot)
    assert of_bot.upload("/bundles/inspect", {"files": files}).status_code == 403
    assert of_bot.upload("/bundles/inspect", {"files": files, "bot": "acme"}).status_code == 200
    unknown = of_bot.upload("/bundles/inspect", {"files": files, "bot": "nobody"})
    assert unknown.status_code == 404
    checked = call.upload(CERTIFICATES, {"name": "api", "files": files, "check": "true"})
    assert (checked.status_code, checked.json()["changed"], checked.json()["version"]) == (200, True, None)
    assert "ETag" not in checked
    assert not ClientCertificate.objects.exists()


def test_what_was_made_has_an_address_and_a_state(call: Caller, bot: Bot, authority: CA) -> None:
    first = {"name": "api", "files": bundle(authority.issue("one.example"))}
    made = call.upload(CERTIFICATES, first, idempotency_key="k")
    assert (made.status_code, made["Location"]) == (201, "/api/v1/bots/acme/certificates/api")
    assert made["ETag"] == call("GET", f"{CERTIFICATES}/api")["ETag"]
    added = call.upload(f"{CERTIFICATES}/api/versions", {"files": bundle(authority.issue("two.example"))})
    assert (added.status_code, added["Location"]) == (201, made["Location"])
    assert added["ETag"] == call("GET", f"{CERTIFICATES}/api")["ETag"] != made["ETag"]
    assert call.upload(CERTIFICATES, first, idempotency_key="k")["ETag"] == made["ETag"]
    store = call.upload("/platform/trust-stores", {"name": "roots", "files": authority.pem})
    assert (store.status_code, store["Location"]) == (201, "/api/v1/platform/trust-stores/roots")
    assert store["ETag"] == call("GET", "/platform/trust-stores/roots")["ETag"]


def test_only_findings_can_be_allowed(call: Caller, bot: Bot, authority: CA) -> None:
    files = bundle(authority.issue("client.example"))
    answer = call.upload(CERTIFICATES, {"name": "api", "files": files, "allow": "api.elsewhere.example"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert "allow" in answer.json()["errors"][0]["field"]
    assert not ClientCertificate.objects.exists()


def test_allowed_hosts_and_default_change(call: Caller, bot: Bot) -> None:
    make_certificate(bot, "api")
    path = f"{CERTIFICATES}/api"
    before = call("GET", path)["ETag"]
    changed = call("PATCH", path, {"allowed_hosts": ["API.bank.example"], "is_default": True}, if_match=before)
    assert changed.status_code == 200, changed.content
    assert (changed.json()["allowed_hosts"], changed.json()["is_default"]) == (["api.bank.example"], True)
    assert changed["ETag"] == call("GET", path)["ETag"]
    assert call("PATCH", path, {"is_default": False}, if_match=before).status_code == 412
    assert call("PATCH", path, {"is_default": False}).json()["allowed_hosts"] == ["api.bank.example"]
    refused = call("PATCH", path, {"is_default": True, "allowed_hosts": ["*"]})
    assert (refused.status_code, refused.json()["field"]) == (422, "allowed_hosts")
    assert call("PATCH", path, {"colour": "red"}).status_code == 422
    assert call("GET", path).json()["is_default"] is False


def test_trust_stores(call: Caller, bot: Bot, authority: CA) -> None:
    path = "/bots/acme/trust-stores"
    made = call.upload(path, {"name": "roots", "files": authority.pem})
    assert (made.status_code, len(made.json()["added"])) == (201, 1)
    assert call.upload(path, {"name": "roots", "files": authority.pem}).status_code == 200
    read = call("GET", f"{path}/roots")
    assert [anchor["sha256"] for anchor in read.json()["anchors"]] == made.json()["added"]
    call.upload(path, {"name": "roots", "files": CA.root("Another").pem})
    assert call("DELETE", f"{path}/roots", if_match=read["ETag"]).status_code == 412
    node = make_node(bot, trust_store=bot.trust_stores.get())
    assert call("DELETE", f"{path}/roots").status_code == 409
    node.delete()
    assert call("DELETE", f"{path}/roots").status_code == 204
    assert call("GET", "/platform/trust-stores").json() == {"items": [], "next": None}


def test_sent_twice_it_is_done_once(
    call: Caller, administrator: User, bot: Bot, authority: CA, clock: time_machine.Traveller
) -> None:
    first = {"name": "api", "files": bundle(authority.issue("one.example"))}
    other = {"name": "api", "files": bundle(authority.issue("two.example"))}
    made = call.upload(CERTIFICATES, first, idempotency_key="k-1")
    assert (made.status_code, made["Idempotent-Replayed"]) == (201, "false")
    call.upload(CERTIFICATES, other)  # meanwhile version 2
    again = call.upload(CERTIFICATES, first, idempotency_key="k-1")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, made.json(), "true")
    assert CertificateVersion.objects.count() == 2
    for wrong in (other, {**first, "stage": "1"}, {**first, "passphrase": "x"}):
        reused = call.upload(CERTIFICATES, wrong, idempotency_key="k-1")
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = call.upload("/platform/certificates", first, idempotency_key="k-1")
    assert elsewhere.json()["code"] == "idempotency_key_reused"
    assert caller_of(administrator).upload(CERTIFICATES, first, idempotency_key="k-1").status_code == 201
    clock.shift(timedelta(hours=24))
    later = call.upload(CERTIFICATES, first, idempotency_key="k-1")
    assert (later["Idempotent-Replayed"], KeptAnswer.objects.count()) == ("false", 1)


def test_a_refusal_is_not_kept(call: Caller, bot: Bot, authority: CA) -> None:
    assert call.upload(CERTIFICATES, {"name": "api", "files": b"x"}, idempotency_key="k").status_code == 422
    assert not KeptAnswer.objects.exists()
    good = {"name": "api", "files": bundle(authority.issue("one.example"))}
    assert call.upload(CERTIFICATES, good, idempotency_key="k").status_code == 201
    row = KeptAnswer.objects.get()
    KeptAnswer.objects.update(status=None, document=None)  # as if the first were still being worked on
    answer = call.upload(CERTIFICATES, good, idempotency_key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_progress")
    KeptAnswer.objects.update(created_at=row.created_at - timedelta(minutes=3))  # as if its process had died
    assert call.upload(CERTIFICATES, good, idempotency_key="k").status_code == 200


def test_a_first_request_that_fails_just_then_is_no_error_of_the_second(
    call: Caller, bot: Bot, authority: CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object, **__: object) -> None:
        raise IntegrityError("taken, and given back before anybody looks")

    good = {"name": "api", "files": bundle(authority.issue("one.example"))}
    with monkeypatch.context() as patched:
        patched.setattr(KeptAnswer, "save", taken)
        answer = call.upload(CERTIFICATES, good, idempotency_key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_progress")
    assert call.upload(CERTIFICATES, good, idempotency_key="k").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one(call: Caller, bot: Bot, authority: CA) -> None:
    from django.db import connection

    fields = {"name": "api", "files": bundle(authority.issue("one.example"))}
    answers: list[Any] = []

    def send() -> None:
        try:
            answers.append(call.upload(CERTIFICATES, fields, idempotency_key="k").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert CertificateVersion.objects.count() == 1


def test_a_certificate_in_use_stays(call: Caller, bot: Bot) -> None:
    make_node(bot, certificate=make_certificate(bot, "api"))
    answer = call("DELETE", f"{CERTIFICATES}/api")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")


def test_what_is_not_valid_yet_is_staged_by_itself(call: Caller, bot: Bot, authority: CA) -> None:
    call.upload(CERTIFICATES, {"name": "api", "files": bundle(authority.issue("client.example"))})
    now = timezone.now()
    later = authority.issue("client.example", not_before=now + timedelta(30), not_after=now + timedelta(60))
    made = call.upload(f"{CERTIFICATES}/api/versions", {"files": bundle(later)})
    assert made.status_code == 201
    assert made.json()["note"].startswith("It is staged: it is not valid before ")
    assert call("GET", f"{CERTIFICATES}/api").json()["active"]["number"] == 1
