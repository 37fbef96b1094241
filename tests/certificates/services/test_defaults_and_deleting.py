"""Defaults, and deleting what nothing uses."""

from __future__ import annotations

import pytest

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot, Membership
from botplatform.bots.roles import Role
from botplatform.errors import Conflict, NotAllowed, NotFound
from certificates.models import ClientCertificate, SealedKey, TrustStore, VersionStatus
from certificates.services.certificates import delete_certificate
from certificates.services.defaults import clear_default, set_default
from certificates.services.trust_stores import delete_trust_store
from tests.factories import make_certificate, make_node, make_trust_store
from tests.pki import CA

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("position").values_list("action", flat=True))


def defaults() -> set[str]:
    return {certificate.path for certificate in ClientCertificate.objects.filter(is_default=True)}


def test_there_is_one_default_for_each_owner(operator: Actor, bot: Bot, other_bot: Bot) -> None:
    for owner in (bot, other_bot, None):
        for name in ("one", "two"):
            set_default(actor=operator, certificate=make_certificate(owner, name))
    assert defaults() == {"acme/two", "globex/two", "platform/two"}


def test_choosing_the_default_again_changes_nothing(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot)
    set_default(actor=operator, certificate=certificate)
    set_default(actor=operator, certificate=certificate)
    assert actions() == ["certificate.default_set"]

    clear_default(actor=operator, certificate=certificate)
    clear_default(actor=operator, certificate=certificate)
    assert actions() == ["certificate.default_set", "certificate.default_cleared"]
    assert defaults() == set()


def test_a_certificate_without_an_active_version_is_no_default(operator: Actor, bot: Bot) -> None:
    staged = make_certificate(bot, "staged", status=VersionStatus.STAGED)
    with pytest.raises(Conflict, match="nothing to present"):
        set_default(actor=operator, certificate=staged)
    assert not ClientCertificate.objects.get().is_default


def test_who_may_choose_the_default(bot: Bot, manager: User, developer: User) -> None:
    own, platforms = make_certificate(bot), make_certificate(None)
    for actor, certificate in ((developer, own), (manager, platforms)):
        with pytest.raises(NotAllowed):
            set_default(actor=Actor.of(actor), certificate=certificate)
        with pytest.raises(NotAllowed):
            clear_default(actor=Actor.of(actor), certificate=certificate)
    set_default(actor=Actor.of(manager), certificate=own)
    assert defaults() == {own.path}


def test_a_deleted_certificate_is_not_found(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot)
    ClientCertificate(pk=certificate.pk)
    certificate.versions.all().delete()
    ClientCertificate.objects.filter(pk=certificate.pk).delete()
    with pytest.raises(NotFound):
        set_default(actor=operator, certificate=certificate)


def test_an_unused_certificate_is_deleted_with_its_key(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue("bot.example"))
    delete_certificate(actor=operator, certificate=certificate)

    assert not ClientCertificate.objects.exists()
    assert not SealedKey.objects.exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.object_name, event.object_id) == (
        "certificate.deleted",
        "acme/bank",
        str(certificate.pk),
    )


def test_a_default_is_not_deleted(operator: Actor, bot: Bot) -> None:
    with pytest.raises(Conflict, match="default certificate of the bot acme"):
        delete_certificate(actor=operator, certificate=make_certificate(bot, is_default=True))


def test_a_certificate_in_use_names_where(operator: Actor, bot: Bot) -> None:
    certificate = make_certificate(bot, "bank", issued=CA.root().issue("bot.example"))
    for number in range(8):
        make_node(bot, f"node-{number}", certificate=certificate)
    with pytest.raises(Conflict) as conflict:
        delete_certificate(actor=operator, certificate=certificate)

    named = ", ".join(f"“acme/node-{number}”" for number in range(5))
    assert conflict.value.text == f"The client certificate “acme/bank” is in use by {named} and 3 more."
    assert SealedKey.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_foreign_user_of_a_trust_store_is_not_named(bot: Bot, other_bot: Bot, administrator: User) -> None:
    store = make_trust_store(None, "roots")
    make_node(bot, "balance", trust_store=store)
    make_node(other_bot, "secret", trust_store=store)
    with pytest.raises(Conflict, match="“acme/balance” and “globex/secret”"):
        delete_trust_store(actor=Actor.of(administrator), trust_store=store)


def test_what_a_manager_may_not_open_is_only_counted(bot: Bot, other_bot: Bot, manager: User) -> None:
    """The platform's own store cannot be deleted by a manager, so the sentence is asked for directly."""
    from certificates.services.deleting import delete_unused

    store = make_trust_store(None, "roots")
    make_node(bot, "balance", trust_store=store)
    make_node(other_bot, "secret", trust_store=store)
    with pytest.raises(Conflict, match="in use by “acme/balance” and a bot you may not open"):
        delete_unused(store, actor=Actor.of(manager), what="It")
    Membership.objects.create(user=manager, bot=other_bot, role=Role.VIEWER)
    with pytest.raises(Conflict, match="“globex/secret”"):
        delete_unused(store, actor=Actor.of(manager), what="It")


def test_an_unused_trust_store_is_deleted(bot: Bot, manager: User, developer: User) -> None:
    store = make_trust_store(bot, authorities=(CA.root(),))
    with pytest.raises(NotAllowed):
        delete_trust_store(actor=Actor.of(developer), trust_store=store)
    delete_trust_store(actor=Actor.of(manager), trust_store=store)
    assert not TrustStore.objects.exists()
    assert actions() == ["trust_store.deleted"]
    with pytest.raises(NotFound):
        delete_trust_store(actor=Actor.of(manager), trust_store=TrustStore(pk=store.pk, bot=bot, name="gone"))
