"""Renewals from due to staged, against OpenBao and pebble."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.audit.models import AuditEvent
from botplatform.bots.models import Bot
from botplatform.errors import Conflict
from botplatform.notifications.models import Delivery
from certificates.issuer_models import CertificateIssuer, RenewalPolicy
from certificates.issuers.acme_talk import renewal_id
from certificates.models import CertificateVersion, ClientCertificate, SealedKey
from certificates.pki.secret import Secret
from certificates.services.issuers import IssuerOrder, create_issuer
from certificates.services.renewal_policies import RenewalChoice, renew_now, set_renewal
from certificates.services.renewing import queue_due_renewals, run_renewal
from certificates.services.requesting import request
from certificates.services.rotation import destroy
from tests.authorities import AcmeServer, Bao
from tests.botplatform.jobs.test_worker import ROOT, wait_for
from tests.certificates.issuers.test_hostile_ca import NONCE, Routes, answering, directory, usual
from tests.factories import make_certificate, make_trust_store, make_version
from tests.pki import CA

pytestmark = pytest.mark.django_db
DUE = {"not_before": datetime.now(UTC) - timedelta(days=70), "not_after": datetime.now(UTC) + timedelta(days=20)}
FRESH = {"not_before": datetime.now(UTC) - timedelta(days=1), "not_after": datetime.now(UTC) + timedelta(days=89)}


def certificate_of(bot: Bot, validity: dict[str, datetime] = DUE, name: str = "bots.example") -> ClientCertificate:
    """An active version of an old CA, with the names that the test CAs sign."""
    issued = CA.root("Old CA").issue(name, san=(f"one.{name}",), **validity)  # type: ignore[arg-type]
    return make_certificate(bot, "api", issued=issued)


def vault_issuer(bot: Bot | None, bao: Bao, authority: CA, **options: str) -> CertificateIssuer:
    order = IssuerOrder(
        name="vault",
        kind="vault",
        url=bao.address,
        trust_store=make_trust_store(bot, "own", authorities=(authority,)),
        options={"mount": bao.mount, "role": bao.role, **options},
        secret=Secret(bao.token.encode()),
    )
    return create_issuer(actor=Actor.operating_system(), owner=bot, order=order)


def acme_issuer(bot: Bot, url: str, authority: CA) -> CertificateIssuer:
    store = make_trust_store(bot, "own", authorities=(authority,))
    order = IssuerOrder("ca", "acme", url, store, options={"challenge": "http-01"})
    return create_issuer(actor=Actor.operating_system(), owner=bot, order=order)


def choose(certificate: ClientCertificate, issuer: CertificateIssuer, **more: Any) -> RenewalPolicy:
    choice = RenewalChoice(issuer, **more)
    return set_renewal(actor=Actor.operating_system(), certificate=certificate, choice=choice)


def versions(certificate: ClientCertificate) -> list[tuple[int, str]]:
    return list(certificate.versions.order_by("number").values_list("number", "status"))


def due_again(certificate: ClientCertificate) -> None:
    RenewalPolicy.objects.filter(certificate=certificate).update(look_at=timezone.now(), lease_until=None)


def test_a_due_renewal_is_staged(bot: Bot, bao: Bao, authority: CA) -> None:
    certificate = certificate_of(bot)
    choose(certificate, vault_issuer(None, bao, authority))
    assert queue_due_renewals() == 1
    assert queue_due_renewals() == 0, "the hint is under way"
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "active"), (2, "staged")]
    old, new = certificate.versions.order_by("number")
    assert new.subject == "CN=bots.example"
    assert new.issuer == "CN=Bao test root"
    assert new.spki_sha256 != old.spki_sha256
    assert SealedKey.objects.filter(version=new).exists()
    policy = RenewalPolicy.objects.get()
    assert (policy.draft, policy.error, policy.attempt, policy.lease_until) == (None, "", 0, None)
    due_again(certificate)
    assert queue_due_renewals() == 0, "its successor is staged"
    run_renewal(certificate.pk)
    assert len(versions(certificate)) == 2
    actions = list(AuditEvent.objects.filter(object_name=certificate.path).values_list("action", flat=True))
    assert actions.count("version.completed") == 1


def test_what_is_not_due_waits_and_may_be_asked_for(bot: Bot, bao: Bao, authority: CA, operator: Actor) -> None:
    certificate = certificate_of(bot, FRESH)
    policy = choose(certificate, vault_issuer(bot, bao, authority))
    assert queue_due_renewals() == 0
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "active")]
    policy.refresh_from_db()
    assert timezone.now() < policy.look_at <= timezone.now() + timedelta(hours=1)
    renew_now(actor=operator, certificate=certificate)
    assert queue_due_renewals() == 1, "asked for: a lost hint is given again"
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "active"), (2, "staged")]


def test_only_what_can_be_renewed_may_be_asked_for(bot: Bot, bao: Bao, authority: CA, operator: Actor) -> None:
    certificate = certificate_of(bot)
    with pytest.raises(Conflict, match="by hand"):
        renew_now(actor=operator, certificate=certificate)
    choose(certificate, vault_issuer(bot, bao, authority))
    certificate.versions.update(status="retired")
    with pytest.raises(Conflict, match="no active version"):
        renew_now(actor=operator, certificate=certificate)
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "retired")]


def test_a_failure_is_told_and_tried_again_with_the_same_key(bot: Bot, bao: Bao, authority: CA) -> None:
    certificate = certificate_of(bot, name="bank.example")  # the role does not allow it
    choose(certificate, vault_issuer(bot, bao, authority))
    Bot.objects.filter(pk=bot.pk).update(name="Acme")
    for attempt in range(1, 5):
        due_again(certificate)
        run_renewal(certificate.pk)
        policy = RenewalPolicy.objects.get()
        assert policy.attempt == attempt
        assert "not allowed by this role" in policy.error
        assert policy.look_at > timezone.now() + timedelta(minutes=4 * 2 ** (attempt - 1))
        assert policy.lease_until is None
    assert versions(certificate) == [(1, "active"), (2, "draft")]
    assert AuditEvent.objects.filter(action="renewal.failed").count() == 4
    assert set(Delivery.objects.values_list("event", flat=True)) <= {"certificate.renewal_failed"}
    destroy(actor=Actor.operating_system(), certificate=certificate, number=2)
    due_again(certificate)
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "active"), (2, "destroyed"), (3, "draft")]


def test_people_are_told_once_per_failure_and_success(bot: Bot, bao: Bao, authority: CA, settings: Settings) -> None:
    settings.SECURITY_EMAIL = "security@bots.example"
    certificate = certificate_of(bot, FRESH, name="bank.example")
    choose(certificate, vault_issuer(bot, bao, authority))
    renew_now(actor=Actor.operating_system(), certificate=certificate)
    for told in (0, 0, 1, 1):
        due_again(certificate)
        run_renewal(certificate.pk)
        assert Delivery.objects.count() == told
    assert "could not be renewed; it expires in 88 days" in Delivery.objects.get().title
    bao.ask("POST", f"{bao.mount}/roles/any", {"allow_any_name": True, "key_type": "any", "ttl": "24h"})
    bao.ask(
        "PUT", "sys/policies/acl/sign-bots", {"policy": f'path "{bao.mount}/sign/*" {{ capabilities = ["update"] }}'}
    )
    CertificateIssuer.objects.update(role="any")
    due_again(certificate)
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "active"), (2, "staged")]
    assert Delivery.objects.filter(event="certificate.renewed").count() == 1


def test_an_attempt_that_died_after_the_reply_was_stored_ends_quietly(bot: Bot, bao: Bao, authority: CA) -> None:
    certificate = certificate_of(bot)
    choose(certificate, vault_issuer(bot, bao, authority))
    run_renewal(certificate.pk)
    staged = certificate.versions.get(status="staged")
    later = timezone.now() + timedelta(hours=1)
    RenewalPolicy.objects.update(draft=staged, lease_until=later)  # as a killed worker leaves it
    run_renewal(certificate.pk)
    assert RenewalPolicy.objects.get().draft == staged, "somebody is at it"
    due_again(certificate)
    assert queue_due_renewals() == 1
    run_renewal(certificate.pk)
    assert RenewalPolicy.objects.get().draft is None
    assert versions(certificate) == [(1, "active"), (2, "staged")]


def test_the_ca_says_when(bot: Bot, authority: CA, settings: Settings) -> None:
    settings.ACME_HOOK = "/bin/true"
    certificate = certificate_of(bot, FRESH)
    leaf, now, suggested = bytes(certificate.versions.get().leaf_der), timezone.now(), {}

    def suggest(begins: timedelta) -> None:
        window = {"start": (now + begins).isoformat(), "end": (now + begins).isoformat()}
        suggested["suggestedWindow"] = window

    def routes(url: str) -> Routes:
        info = (200, {"Retry-After": "60"}, suggested)
        return {"/dir": (200, {}, directory(url)), f"/renewalInfo/{renewal_id(leaf)}": info}

    with answering(authority, routes) as peer:
        choose(certificate, acme_issuer(bot, f"{peer.url}dir", authority))
        suggest(timedelta(days=70))
        assert queue_due_renewals() == 1, "to ask the CA"
        run_renewal(certificate.pk)
        policy = RenewalPolicy.objects.get()
        assert (policy.error, policy.draft) == ("", None)
        assert policy.window_start == now + timedelta(days=70)
        due_again(certificate)
        assert queue_due_renewals() == 0, "it wants to be asked again in a minute"
        suggest(timedelta(days=-2))
        RenewalPolicy.objects.update(window_ask_at=now, look_at=now)
        assert queue_due_renewals() == 1
        run_renewal(certificate.pk)
    policy = RenewalPolicy.objects.get()
    assert policy.draft is not None, "due at once, long before a third is left"
    assert policy.error.startswith("The CA did not take our account")


def test_a_ca_that_cannot_tell_is_not_asked_all_the_time(bot: Bot, authority: CA, settings: Settings) -> None:
    settings.ACME_HOOK = "/bin/true"
    certificate = certificate_of(bot, FRESH)
    with answering(authority, lambda url: {"/dir": (500, {}, {})}) as peer:
        choose(certificate, acme_issuer(bot, f"{peer.url}dir", authority))
        run_renewal(certificate.pk)
    policy = RenewalPolicy.objects.get()
    assert (policy.error, policy.attempt) == ("", 0)
    due_again(certificate)
    assert queue_due_renewals() == 0


def test_what_the_ca_has_no_name_for_is_renewed_all_the_same(bot: Bot, authority: CA, settings: Settings) -> None:
    settings.ACME_HOOK = "/bin/true"
    issued = CA.root("Old CA").issue("bots.example", san=("one.bots.example",), aki=False, **DUE)  # type: ignore[arg-type]
    certificate = make_certificate(bot, "api", issued=issued)
    with answering(authority, lambda url: {"/dir": (200, {}, directory(url))}) as peer:
        choose(certificate, acme_issuer(bot, f"{peer.url}dir", authority))
        run_renewal(certificate.pk)
    policy = RenewalPolicy.objects.get()
    assert policy.draft is not None
    assert policy.error.startswith("The CA did not take our account")


@contextmanager
def two_orders(bot: Bot, authority: CA, certificate: ClientCertificate) -> Iterator[None]:
    """The order at hand brings a certificate without clientAuth; the next one that is made, a right one."""
    asked = request(actor=Actor.operating_system(), owner=bot, name=certificate.name)
    key = x509.load_der_x509_csr(asked.csr).public_key()
    wrong, right = (authority.issue(public_key=key, eku=(eku,)).chain_pem for eku in ("serverAuth", "clientAuth"))

    def routes(url: str) -> Routes:
        orders = {
            f"/{name}": (200, NONCE, {"status": "valid", "certificate": f"{url}/{name}.pem"})
            for name in ("old", "order")
        }
        return usual(url) | orders | {"/old.pem": (200, NONCE, wrong), "/order.pem": (200, NONCE, right)}

    with answering(authority, routes) as peer:
        choose(certificate, acme_issuer(bot, f"{peer.url}dir", authority))
        RenewalPolicy.objects.update(draft=asked.version, resume=f"{peer.url}old")
        yield


def test_a_certificate_that_was_refused_is_ordered_anew(bot: Bot, authority: CA, settings: Settings) -> None:
    settings.ACME_HOOK = "/bin/true"
    certificate = certificate_of(bot)
    with two_orders(bot, authority, certificate):
        run_renewal(certificate.pk)
        policy = RenewalPolicy.objects.get()
        assert "clientAuth" in policy.error
        assert policy.look_at > timezone.now() + timedelta(hours=23), "a CA limits how many it makes"
        due_again(certificate)
        run_renewal(certificate.pk)
    assert (versions(certificate), RenewalPolicy.objects.get().error) == ([(1, "active"), (2, "staged")], "")


@pytest.mark.parametrize(("error", "number"), [("It failed.", 1), ("", 0)])
def test_renew_now_begins_anew_after_a_failure_only(
    bot: Bot, authority: CA, settings: Settings, operator: Actor, error: str, number: int
) -> None:
    settings.ACME_HOOK = "/bin/true"
    certificate = certificate_of(bot)
    with two_orders(bot, authority, certificate):
        RenewalPolicy.objects.update(error=error)
        renew_now(actor=operator, certificate=certificate)
        run_renewal(certificate.pk)
    assert certificate.versions.filter(status="staged").count() == number


def test_the_duty_costs_the_same_however_many_wait(bot: Bot, bao: Bao, authority: CA) -> None:
    issuer = vault_issuer(bot, bao, authority)

    def queries(count: int) -> int:
        for _ in range(count):
            certificate = make_certificate(bot)
            make_version(certificate, number=2, status="staged", not_after=datetime.now(UTC) + timedelta(days=400))
            RenewalPolicy.objects.create(certificate=certificate, issuer=issuer)
        with CaptureQueriesContext(connection) as captured:
            assert queue_due_renewals() == 0
        updates = [query for query in captured if query["sql"].startswith("UPDATE")]
        return len(captured) - len(updates)

    assert queries(3) == queries(30)


@contextmanager
def working(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker, killed at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.peers
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_during_an_order_leaves_one_staged_version(
    bot: Bot, acme_server: AcmeServer, authority: CA, product_environment: dict[str, str], tmp_path: Path
) -> None:
    hanging, pid_file = tmp_path / "hanging-hook", tmp_path / "hook.pid"
    hanging.write_text(f"#!/bin/sh\necho $$ >{pid_file}\nexec sleep 60\n")
    hanging.chmod(0o700)
    environment = {**product_environment, "ACME_HOOK": str(hanging), "EGRESS_ALLOW": "127.0.0.0/8,::1"}
    certificate = certificate_of(bot)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.ACME_HOOK", str(hanging))
        choose(certificate, acme_issuer(bot, acme_server.directory_url, authority))
    with working(environment, tmp_path / "worker.log"):
        wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() != "", 30)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    policy = RenewalPolicy.objects.get()
    assert policy.resume.startswith("https://localhost:")
    assert versions(certificate) == [(1, "active"), (2, "draft")]

    due_again(certificate)  # as when the lease has run out
    assert queue_due_renewals() == 1
    environment["ACME_HOOK"] = str(acme_server.hook)
    with working(environment, tmp_path / "worker.log"):
        wait_for(lambda: versions(certificate)[-1][1] == "staged", 30)
        wait_for(lambda: RenewalPolicy.objects.get().draft is None)
    assert versions(certificate) == [(1, "active"), (2, "staged")]
    assert CertificateVersion.objects.get(number=2).issuer.startswith("CN=Pebble")
    calls = [call[:3] for call in acme_server.hook_calls() if call[2] == "one.bots.example"]
    assert calls[-2:] == [["deploy", "http-01", "one.bots.example"], ["clean", "http-01", "one.bots.example"]]
