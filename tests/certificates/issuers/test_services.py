"""Naming issuers: who may, what is refused, and that their secrets stay secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, InvalidInput, NotAllowed
from certificates.errors import EnvelopeBroken
from certificates.issuer_models import CertificateIssuer, IssuerSecret, RenewalPolicy
from certificates.pki.secret import Secret
from certificates.services.certificates import delete_certificate
from certificates.services.issuers import (
    IssuerOrder,
    create_issuer,
    delete_issuer,
    given_secret,
    open_issuer,
    replace_secret,
)
from certificates.services.renewal_policies import RenewalChoice, set_renewal
from certificates.services.trust_stores import delete_trust_store
from tests.factories import make_certificate, make_trust_store
from tests.pki import CA

pytestmark = pytest.mark.django_db
TOKEN = "s.CANARY-token-of-the-vault"
VAULT = IssuerOrder(
    name="vault",
    kind="vault",
    url="https://vault.example:8200",
    options={"mount": "pki", "role": "bots"},
    secret=Secret(TOKEN.encode()),
)
ACME = IssuerOrder(name="ca", kind="acme", url="https://ca.example/dir", options={"challenge": "dns-01"})


@pytest.fixture
def hook(settings: Settings) -> None:
    settings.ACME_HOOK = "/bin/true"


def everything() -> str:
    """Every value of every table, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            for row in cursor.fetchall():
                found += [
                    bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else value for value in row
                ]
    return repr(found)


def test_a_token_is_sealed_and_opens_for_the_ca_only(bot: Bot, manager: User) -> None:
    issuer = create_issuer(actor=Actor.of(manager), owner=bot, order=VAULT)
    assert TOKEN not in everything()
    opened: Any = open_issuer(issuer)
    assert opened.login.secret.reveal().decode() == TOKEN
    assert TOKEN not in repr(opened)
    event = AuditEvent.objects.get(action="issuer.created")
    assert (event.object_name, event.facts) == ("acme/vault", {"kind": "vault", "host": "vault.example:8200"})


@pytest.mark.parametrize("change", [{"url": "https://evil.example"}, {"bot": None}])
def test_a_secret_opens_only_where_it_was_meant_for(bot: Bot, manager: User, change: dict[str, Any]) -> None:
    issuer = create_issuer(actor=Actor.of(manager), owner=bot, order=VAULT)
    CertificateIssuer.objects.filter(pk=issuer.pk).update(**change)
    with pytest.raises(EnvelopeBroken):
        open_issuer(CertificateIssuer.objects.get())


def test_an_acme_account_gets_a_key_of_its_own(hook: None, bot: Bot, operator: Actor) -> None:
    one = create_issuer(actor=operator, owner=bot, order=ACME)
    other = create_issuer(actor=operator, owner=None, order=ACME)
    keys = [open_issuer(issuer).account.key.reveal() for issuer in (one, other)]  # type: ignore[attr-defined]
    assert keys[0] != keys[1]
    assert given_secret(one) is None


def test_a_new_secret_takes_the_place_of_the_old(bot: Bot, manager: User) -> None:
    issuer = create_issuer(actor=Actor.of(manager), owner=bot, order=VAULT)
    before = IssuerSecret.objects.get()
    replace_secret(actor=Actor.of(manager), issuer=issuer, secret=Secret(b"s.another"))
    opened: Any = open_issuer(issuer)
    assert opened.login.secret.reveal() == b"s.another"
    IssuerSecret.objects.update(envelope=before.envelope)  # an old envelope in the new row
    with pytest.raises(EnvelopeBroken):
        open_issuer(issuer)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Not a slug"}, "name"),
        ({"name": "create"}, "name"),
        ({"kind": "letter"}, "kind"),
        ({"url": "http://vault.example"}, "url"),
        ({"url": "https://user@vault.example"}, "url"),
        ({"url": "https://[::1"}, "url"),
        ({"options": {"mount": "pki"}}, "role"),
        ({"options": {"mount": "pki", "role": "bots", "challenge": "dns-01"}}, "challenge"),
        ({"options": {"mount": "pki", "role": "bots", "namespace": "a\r\nX-Evil: 1"}}, "namespace"),
        ({"options": {"mount": "pki", "role": "bots", "namespace": "größe"}}, "namespace"),
        ({"secret": None}, "secret"),
        ({"secret": Secret(b"two words")}, "secret"),
        ({"secret": Secret(b"x" * 5000)}, "secret"),
    ],
    ids=str,
)
def test_what_is_refused(bot: Bot, operator: Actor, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_issuer(actor=operator, owner=bot, order=replace(VAULT, **change))
    assert refused.value.field == field
    assert not CertificateIssuer.objects.exists()


def test_acme_without_the_operators_hook_is_refused(bot: Bot, operator: Actor, settings: Settings) -> None:
    settings.ACME_HOOK = ""
    with pytest.raises(InvalidInput, match="set ACME_HOOK"):
        create_issuer(actor=operator, owner=bot, order=ACME)


def test_an_external_account_needs_both_its_parts(hook: None, bot: Bot, operator: Actor) -> None:
    options = {"challenge": "dns-01", "eab_kid": "kid-1"}
    for order in (replace(ACME, secret=Secret(b"key")), replace(ACME, options=options)):
        with pytest.raises(InvalidInput) as refused:
            create_issuer(actor=operator, owner=bot, order=order)
        assert refused.value.field == "secret"
    opened: Any = open_issuer(
        create_issuer(actor=operator, owner=bot, order=replace(ACME, options=options, secret=Secret(b"key")))
    )
    assert (opened.account.eab_key_id, opened.account.eab_key.reveal()) == ("kid-1", b"key")


def test_names_are_given_once(bot: Bot, other_bot: Bot, operator: Actor) -> None:
    for owner in (bot, other_bot, None):
        create_issuer(actor=operator, owner=owner, order=VAULT)
    for owner in (bot, None):
        with pytest.raises(Conflict, match="already"):
            create_issuer(actor=operator, owner=owner, order=VAULT)


def test_who_may(bot: Bot, other_bot: Bot, manager: User, developer: User, auditor: User) -> None:
    for user, owner in ((developer, bot), (auditor, bot), (manager, None), (manager, other_bot)):
        with pytest.raises(NotAllowed):
            create_issuer(actor=Actor.of(user), owner=owner, order=VAULT)
    issuer = create_issuer(actor=Actor.of(manager), owner=bot, order=VAULT)
    with pytest.raises(NotAllowed):
        replace_secret(actor=Actor.of(developer), issuer=issuer, secret=Secret(b"x"))
    with pytest.raises(NotAllowed):
        delete_issuer(actor=Actor.of(developer), issuer=issuer)


def test_a_foreign_trust_store_or_issuer_is_refused(bot: Bot, other_bot: Bot, operator: Actor) -> None:
    foreign = make_trust_store(other_bot, authorities=(CA.root(),))
    with pytest.raises(InvalidInput, match="another bot"):
        create_issuer(actor=operator, owner=bot, order=replace(VAULT, trust_store=foreign))
    issuer = create_issuer(actor=operator, owner=other_bot, order=VAULT)
    with pytest.raises(InvalidInput, match="another bot"):
        set_renewal(actor=operator, certificate=make_certificate(bot), choice=RenewalChoice(issuer))


def test_what_is_in_use_stays(bot: Bot, operator: Actor) -> None:
    store = make_trust_store(bot, "roots", authorities=(CA.root(),))
    issuer = create_issuer(actor=operator, owner=bot, order=replace(VAULT, trust_store=store))
    certificate = make_certificate(bot, "api")
    set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice(issuer))
    with pytest.raises(Conflict, match="“acme/vault”"):
        delete_trust_store(actor=operator, trust_store=store)
    with pytest.raises(Conflict, match="“acme/api”"):
        delete_issuer(actor=operator, issuer=issuer)
    set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice())
    delete_issuer(actor=operator, issuer=issuer)
    assert not IssuerSecret.objects.exists()
    delete_certificate(actor=operator, certificate=certificate)
    assert not RenewalPolicy.objects.exists()


def test_an_empty_trust_store_trusts_nobody(bot: Bot, operator: Actor) -> None:
    issuer = create_issuer(actor=operator, owner=bot, order=replace(VAULT, trust_store=make_trust_store(bot)))
    with pytest.raises(Conflict, match="is empty"):
        open_issuer(issuer)
