"""A first certificate: an issuer signs the open request. OpenBao is real."""

from __future__ import annotations

import pytest
from cryptography import x509
from pytest_django import Settings

from botplatform.accounts.actors import Actor
from botplatform.bots.models import Bot
from botplatform.errors import Conflict
from botplatform.notifications.models import Delivery
from certificates.issuer_models import RenewalPolicy
from certificates.pki.inspection import UploadedFile
from certificates.services.completing import complete
from certificates.services.renewal_outlook import renewal_of
from certificates.services.renewal_policies import RenewalChoice, renew_now, set_renewal
from certificates.services.renewing import queue_due_renewals, run_renewal
from certificates.services.requesting import request
from certificates.services.rotation import destroy, promote
from tests.authorities import Bao
from tests.certificates.issuers.test_renewing import choose, due_again, vault_issuer, versions
from tests.pki import CA

pytestmark = pytest.mark.django_db


def test_a_first_certificate_is_signed_for_the_open_request(bot: Bot, bao: Bao, authority: CA, operator: Actor) -> None:
    older = request(actor=operator, owner=bot, name="api", subject="CN=bots.example", sans=["one.bots.example"])
    asked = request(actor=operator, owner=bot, name="api", subject="CN=bots.example", sans=["two.bots.example"])
    certificate = asked.certificate
    choose(certificate, vault_issuer(bot, bao, authority))
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "draft"), (2, "draft")], "nobody has asked for it"
    renew_now(actor=operator, certificate=certificate)
    due_again(certificate)
    assert queue_due_renewals() == 1
    run_renewal(certificate.pk)
    assert versions(certificate) == [(1, "draft"), (2, "staged")]
    signed = certificate.versions.get(number=2)
    assert (signed.issuer, signed.spki_sha256) == ("CN=Bao test root", asked.version.spki_sha256)
    destroy(actor=operator, certificate=certificate, number=older.version.number)
    with pytest.raises(Conflict, match="make a request first"):
        renew_now(actor=operator, certificate=certificate)
    assert promote(actor=operator, certificate=certificate).version.number == 2


def test_a_persons_request_outlives_another_choice_of_issuer(
    bot: Bot, bao: Bao, authority: CA, operator: Actor
) -> None:
    asked = request(actor=operator, owner=bot, name="api", subject="CN=bots.example")
    choose(asked.certificate, vault_issuer(bot, bao, authority))
    renew_now(actor=operator, certificate=asked.certificate)
    set_renewal(actor=operator, certificate=asked.certificate, choice=RenewalChoice())
    assert versions(asked.certificate) == [(1, "draft")]
    assert RenewalPolicy.objects.get().draft is None


def test_a_request_that_is_discarded_is_not_signed(bot: Bot, bao: Bao, authority: CA, operator: Actor) -> None:
    asked = request(actor=operator, owner=bot, name="api", subject="CN=bots.example")
    choose(asked.certificate, vault_issuer(bot, bao, authority))
    renew_now(actor=operator, certificate=asked.certificate)
    destroy(actor=operator, certificate=asked.certificate, number=1)
    again = request(actor=operator, owner=bot, name="api", subject="CN=bots.example")
    run_renewal(asked.certificate.pk)
    assert versions(asked.certificate) == [(1, "destroyed"), (2, "draft")]
    policy = RenewalPolicy.objects.get()
    assert (policy.error, policy.asked_by, policy.draft) == ("", "", None)
    stands = renewal_of(asked.certificate, [again.version])
    assert (stands.phase, stands.may_be_asked_for) == ("", True)


def test_a_reply_that_somebody_brings_meanwhile_is_not_called_staged(
    bot: Bot, bao: Bao, authority: CA, operator: Actor, settings: Settings
) -> None:
    settings.SECURITY_EMAIL = "security@example.com"
    asked = request(actor=operator, owner=bot, name="api", subject="CN=bots.example")
    choose(asked.certificate, vault_issuer(bot, bao, authority))
    renew_now(actor=operator, certificate=asked.certificate)
    reply = CA.root("By hand").issue(public_key=x509.load_der_x509_csr(asked.csr).public_key())
    complete(actor=operator, certificate=asked.certificate, files=[UploadedFile("reply.pem", reply.chain_pem)])
    run_renewal(asked.certificate.pk)
    assert versions(asked.certificate) == [(1, "active")]
    assert RenewalPolicy.objects.get().staged is None
    assert not Delivery.objects.exists()
