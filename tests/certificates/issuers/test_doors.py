"""Issuers and renewals in the console and on the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django import DjangoAssertNumQueries, Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.issuer_models import CertificateIssuer, IssuerSecret, RenewalPolicy
from certificates.services.issuers import create_issuer, open_issuer
from certificates.services.pace import MOST
from certificates.services.renewal_policies import RenewalChoice, set_renewal
from certificates.services.requesting import request as request_certificate
from tests.authorities import Bao
from tests.certificates.issuers.test_services import TOKEN, VAULT
from tests.factories import make_certificate, make_trust_store, make_version
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
TYPED = {"name": "vault", "url": "https://vault.example:8200", "mount": "pki", "role": "bots", "secret": TOKEN}


@pytest.fixture
def issuer(bot: Bot, operator: Any) -> CertificateIssuer:
    return create_issuer(actor=operator, owner=bot, order=VAULT)


def test_an_issuer_from_nothing_to_its_end(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    assert "No issuer yet" in client.get("/issuers/").content.decode()
    assert 'href="/bots/acme/issuers/create/vault/"' in client.get("/bots/acme/").content.decode()
    page = client.get("/bots/acme/issuers/create/vault/").content.decode()
    assert 'name="role"' in page
    assert 'name="challenge"' not in page
    answer = client.post("/bots/acme/issuers/create/vault/", TYPED, follow=True)
    assert answer.redirect_chain == [("/bots/acme/issuers/vault/", 302)]
    assert TOKEN not in answer.content.decode()
    assert "acme/vault" in client.get("/issuers/").content.decode()
    client.post("/bots/acme/issuers/vault/", {"secret": "s.another"})
    opened: Any = open_issuer(CertificateIssuer.objects.get())
    assert opened.login.secret.reveal() == b"s.another"
    client.post("/bots/acme/issuers/vault/delete/")
    assert not CertificateIssuer.objects.exists()


def test_the_list_leads_who_may_add_one_to_where_that_is(
    sign_in: SignIn, manager: User, viewer: User, bot: Bot, other_bot: Bot
) -> None:
    one = 'href="/bots/acme/#issuers-title"'
    assert one in sign_in(manager).get("/issuers/").content.decode()
    assert "Add one" not in sign_in(viewer).get("/issuers/").content.decode()
    other_bot.memberships.create(user=manager, role="certificate_manager")
    page = sign_in(manager).get("/issuers/").content.decode()
    assert (one in page, "Add one to a bot" in page) == (False, True)


def test_the_role_id_of_the_platform_is_for_who_may_manage_it(
    sign_in: SignIn, stranger: User, administrator: User, operator: Any
) -> None:
    options = {**VAULT.options, "role_id": "5e1f-role"}
    path = create_issuer(actor=operator, owner=None, order=replace(VAULT, options=options)).get_absolute_url()
    page = sign_in(stranger).get(path).content.decode()
    assert ("5e1f-role" in page, "an AppRole" in page) == (False, True)
    assert "5e1f-role" in sign_in(administrator).get(path).content.decode()


def test_what_is_wrong_stands_beside_its_field(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client = sign_in(manager)
    for name, wrong in (("name", "No slug"), ("url", "http://vault.example"), ("role", " "), ("secret", "two words")):
        answer = client.post("/bots/acme/issuers/create/vault/", {**TYPED, name: wrong})
        assert answer.status_code == 422
        assert f'id="id_{name}_error"' in answer.content.decode()
        assert TOKEN not in answer.content.decode()
    assert not CertificateIssuer.objects.exists()


def test_all_that_is_wrong_is_told_at_once(sign_in: SignIn, manager: User, bot: Bot) -> None:
    client, url = sign_in(manager), "/bots/acme/issuers/create/vault/"
    wrong = {"name": "No slug", "url": "http://vault.example", "mount": "", "role": "rôle", "secret": "two words"}
    page = client.post(url, wrong).content.decode()
    assert [f'id="id_{name}_error"' in page for name in wrong] == [True] * len(wrong)
    assert "Type it again" not in page, "it has an error of its own"
    page = client.post(url, {**TYPED, "role": ""}).content.decode()
    assert ("Type it again: a page never repeats a secret." in page, TOKEN in page) == (True, False)
    assert not CertificateIssuer.objects.exists()


def test_acme_says_what_the_operator_has_to_do(sign_in: SignIn, manager: User, bot: Bot, settings: Settings) -> None:
    typed = {"name": "ca", "url": "https://ca.example/dir", "challenge": "dns-01"}
    settings.ACME_HOOK = ""
    client = sign_in(manager)
    assert "set ACME_HOOK" in client.post("/bots/acme/issuers/create/acme/", typed).content.decode()
    settings.ACME_HOOK = "/bin/true"
    words = "DNS: a TXT record beside the name (dns-01)"
    assert words in client.get("/bots/acme/issuers/create/acme/").content.decode()
    assert client.post("/bots/acme/issuers/create/acme/", typed).status_code == 302
    assert f"{words}, by the operator’s hook" in client.get("/bots/acme/issuers/ca/").content.decode()


def test_the_check_says_what_the_ca_says(
    sign_in: SignIn, manager: User, bot: Bot, bao: Bao, authority: CA, settings: Settings
) -> None:
    store = make_trust_store(bot, "own", authorities=(authority,))
    client = sign_in(manager)
    typed = {**TYPED, "url": bao.address, "mount": bao.mount, "secret": bao.token, "trust_store": str(store.pk)}
    client.post("/bots/acme/issuers/create/vault/", typed)
    answer = client.post("/bots/acme/issuers/vault/check/", follow=True)
    assert "knows us. Mount and role are tried at the first renewal." in answer.content.decode()
    client.post("/bots/acme/issuers/vault/", {"secret": "wrong"})
    answer = client.post("/bots/acme/issuers/vault/check/", follow=True)
    assert "did not let us in" in answer.content.decode()
    for _ in range(MOST):
        answer = client.post("/bots/acme/issuers/vault/check/", follow=True)
    assert "Try again in a minute" in answer.content.decode()


def test_who_sees_and_changes_what(
    sign_in: SignIn, viewer: User, stranger: User, manager: User, bot: Bot, issuer: CertificateIssuer
) -> None:
    path = issuer.get_absolute_url()
    looking = sign_in(viewer)
    page = looking.get(path).content.decode()
    assert "Check it" not in page
    assert "Give it another secret" not in page
    posts = (path, f"{path}check/", f"{path}delete/", "/bots/acme/issuers/create/vault/")
    assert {looking.post(post, TYPED).status_code for post in posts} == {403}
    assert IssuerSecret.objects.count() == 1
    foreign = sign_in(stranger)
    assert {foreign.get(path).status_code} | {foreign.post(post).status_code for post in posts} == {404}
    assert sign_in(manager).post("/platform/issuers/create/vault/", TYPED).status_code == 403


def test_a_renewal_is_chosen_and_asked_for(
    sign_in: SignIn, manager: User, viewer: User, bot: Bot, issuer: CertificateIssuer
) -> None:
    certificate = make_certificate(bot, "api")
    client, path = sign_in(manager), certificate.get_absolute_url()
    assert "By hand." in client.get(path).content.decode()
    typed = {"issuer": str(issuer.pk), "days_before": "20", "key_kind": "ec-p384", "auto_promote": "on"}
    for wrong in ({"days_before": "0"}, {"days_before": "soon"}, {"issuer": ""}):
        assert client.post(f"{path}renewal/", {**typed, **wrong}).status_code == 422
    assert client.post(f"{path}renewal/", typed).status_code == 302
    page = client.get(path).content.decode()
    assert "20 days before it expires" in page
    assert "staged, with a new EC P-384 key" in page
    assert "promoted when all tests are green" in page
    form = client.get(f"{path}renewal/").content.decode()
    assert 'value="20"' in form
    assert ('value="rsa-3072">RSA 3072</option>' in form, ">ec-p256<" in form) == (True, False)
    answer = client.post(f"{path}renew/", follow=True).content.decode()
    assert "is asked. The new version will be staged." in answer
    assert "It waits for a worker." in answer
    assert DBTaskResult.objects.count() == 1
    RenewalPolicy.objects.update(error="The CA did not sign: no.", attempt=3, tried_at=timezone.now())
    assert "The CA did not sign: no." in client.get(path).content.decode()
    assert sign_in(viewer).post(f"{path}renew/").status_code == 403
    assert "Renew now" not in sign_in(viewer).get(path).content.decode()


def test_a_first_certificate_is_offered_to_the_issuer(
    sign_in: SignIn, manager: User, bot: Bot, issuer: CertificateIssuer, operator: Any
) -> None:
    asked = request_certificate(actor=operator, owner=bot, name="new", subject="CN=new")
    client, path = sign_in(manager), asked.certificate.get_absolute_url()
    assert f'<a href="{path}renewal/">issuer</a>' in client.get(f"{path}requests/1/").content.decode()
    set_renewal(actor=operator, certificate=asked.certificate, choice=RenewalChoice(issuer))
    assert "Have version 1 signed now" in client.get(path).content.decode()
    answer = client.post(f"{path}renew/", follow=True).content.decode()
    assert "The issuer is being asked." in answer
    assert "signed now" not in answer
    assert RenewalPolicy.objects.get().draft == asked.version


def test_the_page_goes_on_by_itself_while_a_renewal_is_under_way(
    sign_in: SignIn, manager: User, viewer: User, bot: Bot, issuer: CertificateIssuer, operator: Any
) -> None:
    certificate = make_certificate(bot, "api")
    path, client = certificate.get_absolute_url(), sign_in(viewer)
    set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice(issuer, auto_promote=True))
    assert 'http-equiv="refresh"' not in client.get(path).content.decode()
    sign_in(manager).post(f"{path}renew/")
    page = client.get(path).content.decode()
    assert f'hx-get="{path}renewal/now/?phase=waits"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    same = client.get(f"{path}renewal/now/?phase=waits")
    assert (same.content.decode().count("<section"), "HX-Refresh" in same) == (1, False)
    RenewalPolicy.objects.update(draft=make_version(certificate, number=2, status="draft"))
    assert client.get(f"{path}renewal/now/?phase=waits")["HX-Refresh"] == "true"
    assert "The issuer is being asked." in client.get(f"{path}renewal/now/").content.decode()
    assert "Open requests" not in client.get(path).content.decode(), "nobody is to bring what the issuer signs"
    staged = make_version(certificate, number=3, status="staged")
    RenewalPolicy.objects.update(draft=None, asked_by="", staged=staged)
    assert "Version 3 is tested on every service node" in client.get(path).content.decode()
    RenewalPolicy.objects.update(standing="Not promoted: one is red.")
    last = client.get(f"{path}renewal/now/?phase=testing")
    assert (last["HX-Refresh"], "hx-get" in last.content.decode()) == ("true", False)


def test_no_days_that_were_typed_are_dropped(
    sign_in: SignIn, manager: User, bot: Bot, issuer: CertificateIssuer
) -> None:
    """The days stand alone: no second choice beside them could say something else."""
    path = f"{make_certificate(bot, 'api').get_absolute_url()}renewal/"
    client, typed = sign_in(manager), {"issuer": str(issuer.pk), "key_kind": "ec-p256"}
    page = client.get(path).content.decode()
    assert 'name="when"' not in page
    assert "Empty: when a third of its lifetime is left" in page
    for days, kept in (("20", 20), ("", None)):
        assert client.post(path, {**typed, "days_before": days}).status_code == 302
        assert RenewalPolicy.objects.get().days_before == kept


def test_the_form_says_what_a_change_would_end(
    sign_in: SignIn, manager: User, bot: Bot, issuer: CertificateIssuer, operator: Any
) -> None:
    certificate = make_certificate(bot, "api", issued=CA.root().issue("api"))
    set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice(issuer))
    path, client = f"{certificate.get_absolute_url()}renewal/", sign_in(manager)
    assert "destroys the draft" not in client.get(path).content.decode()
    draft = request_certificate(actor=operator, owner=bot, name="api").version
    RenewalPolicy.objects.update(draft=draft)
    assert "Version 2 is under way at acme/vault" in client.get(path).content.decode()


def test_foreign_issuers_are_not_offered(
    sign_in: SignIn, manager: User, bot: Bot, other_bot: Bot, operator: Any
) -> None:
    create_issuer(actor=operator, owner=other_bot, order=VAULT)
    create_issuer(actor=operator, owner=None, order=VAULT)
    certificate = make_certificate(bot, "api")
    page = sign_in(manager).get(f"{certificate.get_absolute_url()}renewal/").content.decode()
    assert "platform/vault" in page
    assert "globex/vault" not in page
    foreign = CertificateIssuer.objects.get(bot=other_bot)
    typed = {"issuer": str(foreign.pk), "key_kind": "ec-p256"}
    answer = sign_in(manager).post(f"{certificate.get_absolute_url()}renewal/", typed)
    assert answer.status_code == 422
    assert not RenewalPolicy.objects.exists()


def test_the_list_costs_the_same_however_long(
    sign_in: SignIn, manager: User, bot: Bot, operator: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        made = create_issuer(actor=operator, owner=bot, order=replace(VAULT, name=f"vault-{number}"))
        set_renewal(actor=operator, certificate=make_certificate(bot), choice=RenewalChoice(made))
    client = sign_in(manager)
    with django_assert_max_num_queries(8):
        assert client.get("/issuers/").content.decode().count("1 certificate") == 12


def run(name: str, *arguments: str, stdin: bytes = b"", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def test_the_commands(bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    options = ("vault", "--url", "https://vault.example", "--mount", "pki", "--role", "bots")
    document = json.loads(run("create_issuer", "acme/vault", *options, "--secret-file", str(token), "--json"))
    assert document == {"issuer": "acme/vault", "kind": "vault", "url": "https://vault.example", "check": None}
    run("create_issuer", "platform/vault", *options, "--secret-stdin", stdin=b"s.two\n", monkeypatch=monkeypatch)
    opened: Any = [open_issuer(found) for found in CertificateIssuer.objects.order_by("bot__slug")]
    assert {one.login.secret.reveal() for one in opened} == {TOKEN.encode(), b"s.two"}
    certificate = make_certificate(bot, "api")
    assert "by “acme/vault”" in run("set_renewal", "acme/api", "--issuer", "vault", "--days-before", "20", "--now")
    policy = RenewalPolicy.objects.get(certificate=certificate)
    assert (policy.issuer and policy.issuer.path, policy.days_before) == ("acme/vault", 20)
    assert DBTaskResult.objects.count() == 1
    run("set_renewal", "acme/api", "--issuer", "platform/vault")
    assert "by “platform/vault”" in run("set_renewal", "acme/api", "--now"), "which changes nothing of the choice"
    for lost in (["--now", "--days-before", "5"], ["--now", "--key", "ec-p384"], ["--now", "--auto-promote"], []):
        with pytest.raises(CommandError, match="Say --issuer"):
            run("set_renewal", "acme/api", *lost)
    assert "by hand" in run("set_renewal", "acme/api", "--by-hand")
    with pytest.raises(CommandError, match="no issuer “none”"):
        run("set_renewal", "acme/api", "--issuer", "none")
    with pytest.raises(CommandError, match="secret is missing"):
        run("create_issuer", "acme/other", *options, stdin=b"", monkeypatch=monkeypatch)
