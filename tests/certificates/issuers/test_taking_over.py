"""A renewal that crashes, that somebody else took over, or that people chose anew while a worker was at it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.accounts.models import User
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict, NotFound
from botplatform.notifications.models import Delivery
from certificates.issuer_models import CertificateIssuer, IssuerSecret, RenewalPolicy
from certificates.models import SealedKey
from certificates.pki.csr import KeyKind
from certificates.pki.secret import Secret
from certificates.services.issuers import check_issuer, create_issuer, replace_secret
from certificates.services.pace import MOST
from certificates.services.renewal_policies import RenewalChoice, renew_now, set_renewal
from certificates.services.renewing import queue_due_renewals, run_renewal
from certificates.services.rotation import destroy
from tests.certificates.issuers.test_renewing import certificate_of, choose, due_again, versions
from tests.certificates.issuers.test_services import VAULT
from tests.factories import make_certificate, make_trust_store, make_version
from tests.pki import CA
from tests.servers import python_server

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def refusing(authority: CA, bot: Bot, meanwhile: Callable[[], object] = lambda: None) -> Iterator[CertificateIssuer]:
    """An issuer whose server lets `meanwhile` happen while it is asked, and then refuses."""

    def behave(peer: ssl.SSLSocket) -> None:
        peer.recv(65536)
        try:
            meanwhile()
        finally:
            connection.close()
        peer.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    server = authority.issue("localhost", san=("localhost", "127.0.0.1"), eku=("serverAuth",))
    with python_server(server, behaviour=behave) as peer:
        order = replace(VAULT, url=peer.url, trust_store=make_trust_store(bot, "own", authorities=(authority,)))
        yield create_issuer(actor=Actor.operating_system(), owner=bot, order=order)


def other_issuer(bot: Bot, name: str = "other") -> CertificateIssuer:
    return create_issuer(actor=Actor.operating_system(), owner=bot, order=replace(VAULT, name=name))


def test_a_crash_is_told_and_waits_like_a_failure(bot: Bot, authority: CA, caplog: pytest.LogCaptureFixture) -> None:
    certificate = certificate_of(bot)
    with refusing(authority, bot) as issuer:
        choose(certificate, issuer)
        RenewalPolicy.objects.update(key_kind="no-such")  # as nobody foresaw
        for attempt in (1, 2):
            due_again(certificate)
            run_renewal(certificate.pk)
            policy = RenewalPolicy.objects.get()
            assert policy.error == (
                "The renewal stopped at an error of the console itself (ValueError); its log has the details."
            )
            assert (policy.attempt, policy.lease_until) == (attempt, None)
            assert policy.look_at > timezone.now() + timedelta(minutes=4 * attempt)
    assert AuditEvent.objects.filter(action="renewal.failed").count() == 2
    assert "no-such" in caplog.text


def test_who_lost_the_lease_writes_no_outcome(bot: Bot, authority: CA) -> None:
    certificate, later = certificate_of(bot), timezone.now() + timedelta(hours=1)

    def take_over() -> None:
        RenewalPolicy.objects.update(lease_until=later, error="of somebody else", attempt=7)

    with refusing(authority, bot, take_over) as issuer:
        choose(certificate, issuer)
        run_renewal(certificate.pk)
    policy = RenewalPolicy.objects.get()
    assert (policy.lease_until, policy.error, policy.attempt) == (later, "of somebody else", 7)
    assert not AuditEvent.objects.filter(action="renewal.failed").exists()


@pytest.mark.parametrize("change", ["issuer", "key", "by hand"])
def test_another_issuer_or_key_ends_what_was_asked_for(bot: Bot, authority: CA, operator: Actor, change: str) -> None:
    certificate = certificate_of(bot)
    with refusing(authority, bot) as issuer:
        choose(certificate, issuer)
        run_renewal(certificate.pk)
        RenewalPolicy.objects.update(resume="https://ca.example/order/1", window_of="ab", window_start=timezone.now())
        choice = {
            "issuer": RenewalChoice(other_issuer(bot)),
            "key": RenewalChoice(issuer, key_kind=KeyKind.EC_P384),
            "by hand": RenewalChoice(),
        }[change]
        set_renewal(actor=operator, certificate=certificate, choice=choice)
        policy = RenewalPolicy.objects.get()
        assert (policy.draft, policy.resume) == (None, "")
        assert (policy.window_start is None) == (change != "key")
        assert versions(certificate) == [(1, "active"), (2, "destroyed")]
        assert not SealedKey.objects.filter(version__number=2).exists()
        destroyed, changed = AuditEvent.objects.order_by("-position")[:2][::-1]
        assert (destroyed.action, destroyed.facts["version"]) == ("version.destroyed", 2)
        assert (changed.action, changed.facts["dropped_draft"]) == ("renewal.changed", 2)
        if change == "key":
            run_renewal(certificate.pk)
            assert certificate.versions.get(number=3).key_type == "ec-p384"


def test_other_changes_keep_what_was_asked_for(bot: Bot, authority: CA, operator: Actor) -> None:
    certificate = certificate_of(bot)
    with refusing(authority, bot) as issuer:
        choose(certificate, issuer)
        run_renewal(certificate.pk)
        set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice(issuer, days_before=20))
    draft = RenewalPolicy.objects.get().draft
    assert draft is not None
    assert draft.number == 2


def test_a_choice_while_a_worker_is_at_it_holds(bot: Bot, authority: CA, operator: Actor) -> None:
    certificate, other = certificate_of(bot), other_issuer(bot)

    def choose_anew() -> None:
        set_renewal(actor=operator, certificate=certificate, choice=RenewalChoice(other))

    with refusing(authority, bot, choose_anew) as issuer:
        choose(certificate, issuer)
        run_renewal(certificate.pk)
    policy = RenewalPolicy.objects.get()
    assert (policy.issuer, policy.error, policy.attempt, policy.draft) == (other, "", 0, None)
    assert versions(certificate) == [(1, "active"), (2, "destroyed")]


@pytest.mark.parametrize(("days", "queued"), [(10, 1), (300, 0)])
def test_only_a_staged_version_that_lives_longer_is_waited_for(bot: Bot, days: int, queued: int) -> None:
    certificate = certificate_of(bot)
    make_version(certificate, number=2, status="staged", not_after=timezone.now() + timedelta(days=days))
    choose(certificate, other_issuer(bot))
    assert queue_due_renewals() == queued


def test_a_new_draft_takes_up_no_order_of_the_one_before(bot: Bot, authority: CA, operator: Actor) -> None:
    certificate = certificate_of(bot)
    with refusing(authority, bot) as issuer:
        choose(certificate, issuer)
        run_renewal(certificate.pk)
        RenewalPolicy.objects.update(resume="https://ca.example/order/1")
        destroy(actor=operator, certificate=certificate, number=2)
        due_again(certificate)
        run_renewal(certificate.pk)
    assert (versions(certificate)[-1], RenewalPolicy.objects.get().resume) == ((3, "draft"), "")


def test_the_first_failure_is_told_at_once_where_little_is_left(bot: Bot, authority: CA, settings: Settings) -> None:
    settings.SECURITY_EMAIL = "security@bots.example"
    now = timezone.now()
    certificate = certificate_of(bot, {"not_before": now - timedelta(days=89), "not_after": now + timedelta(days=1)})
    with refusing(authority, bot) as issuer:
        choose(certificate, issuer)
        for _ in range(2):
            due_again(certificate)
            run_renewal(certificate.pk)
    assert (Delivery.objects.get().event, Delivery.objects.get().urgent) == ("certificate.renewal_failed", True)


def test_renewals_are_no_way_round_the_limit_of_checks(bot: Bot, manager: User) -> None:
    actor, issuer = Actor.of(manager), other_issuer(bot)
    certificates = [make_certificate(bot, f"api-{number}") for number in range(3 * MOST)]
    for certificate in certificates:  # all of one issuer at once: as after an incident at the CA
        set_renewal(actor=actor, certificate=certificate, choice=RenewalChoice(issuer))
        renew_now(actor=actor, certificate=certificate)
    for _ in range(MOST - 1):
        renew_now(actor=actor, certificate=certificates[0])
    with pytest.raises(Conflict, match="Try again in a minute"):
        renew_now(actor=actor, certificate=certificates[0])
    with pytest.raises(Conflict, match="Try again in a minute"):
        check_issuer(actor=actor, issuer=issuer)
    assert AuditEvent.objects.filter(action="issuer.checked").count() == 0


def test_one_address_after_the_other_is_limited(bot: Bot, manager: User) -> None:
    certificate = make_certificate(bot, "api")
    issuers = [other_issuer(bot, f"ca-{number}") for number in range(MOST + 1)]
    for issuer in issuers[:MOST]:
        set_renewal(actor=Actor.of(manager), certificate=certificate, choice=RenewalChoice(issuer))
    with pytest.raises(Conflict, match="Try again in a minute"):
        set_renewal(actor=Actor.of(manager), certificate=certificate, choice=RenewalChoice(issuers[MOST]))
    assert RenewalPolicy.objects.get().issuer == issuers[MOST - 1]


def test_two_new_secrets_at_once_are_one_after_the_other(bot: Bot, operator: Actor) -> None:
    issuer, replaced, failures = other_issuer(bot), threading.Event(), list[Exception]()

    def second() -> None:
        replaced.wait(10)
        try:
            replace_secret(actor=operator, issuer=issuer, secret=Secret(b"s.second"))
        except Exception as failure:
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic():
        replace_secret(actor=operator, issuer=issuer, secret=Secret(b"s.first"))
        replaced.set()
        time.sleep(0.5)  # the second waits for us meanwhile
    thread.join(10)
    assert failures == []
    assert IssuerSecret.objects.count() == 1
    issuer.delete()
    with pytest.raises(NotFound):
        replace_secret(actor=operator, issuer=issuer, secret=Secret(b"s.third"))
