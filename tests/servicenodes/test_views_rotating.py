"""The pages that promote, roll back, retire and destroy versions: what they say, and what they do."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate
from certificates.services import rotation
from certificates.services.rotation import promote
from servicenodes.effective import effective_certificates, nodes_presenting
from servicenodes.models import ServiceNode
from tests.certificates.services.test_rotation import EXPIRED, add, slot, statuses
from tests.factories import make_certificate, make_node

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
BANK = "/bots/acme/certificates/bank/"


def shown(client: Client, path: str) -> tuple[str, dict[str, str]]:
    """The words of a page, and the fields that its form sends."""
    page = client.get(path).content.decode()
    (state,) = re.findall(r'name="state" value="(\w+)"', page)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split()), {"state": state}


def test_a_renewal_and_back(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = slot(bot, "active", "staged")
    make_node(bot, "balance", certificate=certificate)
    make_node(bot, "transfers")
    client = sign_in(manager)
    assert f"{BANK}versions/2/promote/" in client.get(BANK).content.decode()
    words, fields = shown(client, f"{BANK}versions/2/promote/")
    assert "version 2 is presented instead of version 1" in words
    assert "1 service node would present it" in words
    assert "balance acme" in words
    assert "transfers" not in words
    reason = {**fields, "reason": "The bank is told."}
    page = client.post(f"{BANK}versions/2/promote/", reason, follow=True).content.decode()
    assert "Version 2 of acme/bank is active." in page
    assert "Roll back to version 1" in page
    words, fields = shown(client, f"{BANK}rollback/")
    assert "version 1 is presented again instead of version 2" in words
    client.post(f"{BANK}rollback/", fields)
    assert statuses() == ["active", "retired"]
    page = client.get(f"{BANK}rollback/", follow=True).content.decode()
    assert "no earlier version" in page


def test_the_end_of_a_version(sign_in: SignIn, manager: User, bot: Bot) -> None:
    slot(bot, "retired", "active", "staged")
    client = sign_in(manager)
    words, fields = shown(client, f"{BANK}versions/3/retire/")
    assert "no longer the staged version" in words
    client.post(f"{BANK}versions/3/retire/", fields)
    words, fields = shown(client, f"{BANK}versions/1/destroy/")
    assert "for good" in words
    assert "service node will" not in words
    client.post(f"{BANK}versions/1/destroy/", fields)
    assert statuses() == ["destroyed", "active", "retired"]


def test_who_destroys_a_key_learns_where_else_it_is(sign_in: SignIn, manager: User, bot: Bot, other_bot: Bot) -> None:
    certificate = ClientCertificate.objects.create(bot=bot, name="bank")
    for number, status, key in ((1, "retired", "ab"), (2, "active", "ab"), (3, "retired", "cd")):
        add(certificate, number, status, spki_sha256=key * 32)
    for owner in (bot, other_bot):
        add(ClientCertificate.objects.create(bot=owner, name="twin"), 1, "active", spki_sha256="ab" * 32)
    client = sign_in(manager)
    words, _ = shown(client, f"{BANK}versions/1/destroy/")
    assert "The same private key stays in acme/bank version 2, acme/twin version 1. If it was stolen" in words
    assert "The same private key" not in shown(client, f"{BANK}versions/3/destroy/")[0]
    done = rotation.destroy(actor=Actor.of(manager), certificate=certificate, number=1)
    assert done.same_key == ("acme/bank version 2", "acme/twin version 1")


def test_what_has_to_be_insisted_on(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = slot(bot, "active")
    make_node(bot, "balance", certificate=certificate)
    add(certificate, 2, "staged", **EXPIRED)
    client = sign_in(manager)
    for path, after in (("versions/2/promote/", ["retired", "active"]), ("versions/2/retire/", ["retired", "retired"])):
        before = statuses()
        words, fields = shown(client, BANK + path)
        assert "all the same" in words
        client.post(BANK + path, {**fields, "reason": "Nothing else is there"})
        assert statuses() == before
        client.post(BANK + path, {**fields, "force": "on", "reason": "Nothing else is there"})
        assert statuses() == after
    assert [event.facts["forced"] for event in AuditEvent.objects.filter(action__startswith="version.")] == [True, True]


def test_two_who_look_at_the_same_page_do_not_act_twice(sign_in: SignIn, manager: User, bot: Bot) -> None:
    certificate = slot(bot, "retired", "active", "staged")
    client = sign_in(manager)
    _, fields = shown(client, f"{BANK}rollback/")
    promote(actor=Actor.operating_system(), certificate=certificate)
    page = client.post(f"{BANK}rollback/", fields, follow=True).content.decode()
    assert "Somebody changed this certificate meanwhile" in page
    assert statuses() == ["retired", "retired", "active"]
    client.post(f"{BANK}rollback/")
    assert statuses() == ["retired", "retired", "active"], "a form without its state does nothing"


def test_who_may(sign_in: SignIn, developer: User, manager: User, bot: Bot, other_bot: Bot) -> None:
    slot(bot, "retired", "active", "staged")
    slot(other_bot, "retired", "active", "staged")
    slot(None, "retired", "active", "staged")
    paths = ["rollback/", "versions/3/promote/", "versions/3/retire/", "versions/1/destroy/"]
    assert "/promote/" not in sign_in(developer).get(BANK).content.decode()
    for path in paths:
        for method in ("get", "post"):
            assert getattr(sign_in(developer), method)(BANK + path).status_code == 403
            assert getattr(sign_in(manager), method)(f"/platform/certificates/bank/{path}").status_code == 403
            assert getattr(sign_in(manager), method)(f"/bots/globex/certificates/bank/{path}").status_code == 404
    client = sign_in(manager)
    for missing in ("versions/9/promote/", f"versions/{'9' * 30}/promote/", "versions/1/delete/"):
        assert client.get(BANK + missing).status_code == 404


def test_a_platform_certificate_counts_nodes_one_may_not_open(
    sign_in: SignIn, administrator: User, bot: Bot, other_bot: Bot
) -> None:
    certificate = slot(None, "active", "staged")
    ClientCertificate.objects.update(is_default=True)
    make_certificate(other_bot, "own", is_default=True)
    make_node(bot, "by-default")
    make_node(other_bot, "own-default")
    make_node(other_bot, "attached", certificate=certificate)
    words, fields = shown(sign_in(administrator), "/platform/certificates/bank/versions/2/promote/")
    assert "2 service nodes would present it" in words
    assert "acme, by default" in words
    assert "own-default" not in words
    reason = {**fields, "reason": "Tested by hand"}
    sign_in(administrator).post("/platform/certificates/bank/versions/2/promote/", reason)
    assert certificate.active_version is not None
    assert certificate.active_version.number == 2


def test_who_presents_it_is_what_resolving_says(bot: Bot, other_bot: Bot) -> None:
    certificates = [
        make_certificate(owner, name, is_default=name == "default")
        for owner in (bot, None)
        for name in ("default", "other")
    ]
    for owner in (bot, other_bot):
        make_node(owner)
        for certificate in certificates:
            if certificate.bot in {owner, None}:
                make_node(owner, certificate=certificate)
    found = effective_certificates(ServiceNode.objects.all())
    for certificate in certificates:
        expected = {key for key, effective in found.items() if effective.certificate == certificate}
        assert set(nodes_presenting(certificate).values_list("pk", flat=True)) == expected
