"""The Django admin shows certificates and trust stores, changes nothing and knows no key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from botplatform.accounts.models import User
from botplatform.bots.models import Bot
from certificates.models import ClientCertificate, SealedKey, VersionStatus
from tests.factories import make_certificate, make_trust_store, make_version
from tests.pki import CA

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def test_keys_are_not_registered() -> None:
    assert not admin.site.is_registered(SealedKey)


@pytest.mark.parametrize("who", ["administrator", "auditor"])
def test_pages_show_facts_and_never_a_key(bot: Bot, sign_in: SignIn, request: pytest.FixtureRequest, who: str) -> None:
    client = sign_in(request.getfixturevalue(who))
    issued = CA.root().intermediate("Issuing").issue("bot.example")
    certificate = make_certificate(bot, "bank", issued=issued)
    platforms = make_certificate(None, "shared")
    store = make_trust_store(None, "roots", authorities=(CA.root("Anchor root"),))
    version = certificate.active_version
    assert version is not None
    pages = [
        reverse("admin:certificates_clientcertificate_changelist"),
        reverse("admin:certificates_clientcertificate_change", args=[certificate.pk]),
        reverse("admin:certificates_clientcertificate_change", args=[platforms.pk]),
        reverse("admin:certificates_certificateversion_changelist"),
        reverse("admin:certificates_certificateversion_change", args=[version.pk]),
        reverse("admin:certificates_truststore_changelist"),
        reverse("admin:certificates_truststore_change", args=[store.pk]),
    ]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        text = answer.content.decode()
        assert "envelope" not in text
        assert 'name="_save"' not in text
    detail = client.get(pages[1]).content.decode()
    assert reverse("certificates:import", args=["acme"]) + "?name=bank" in detail
    assert "CN=Issuing" in client.get(pages[4]).content.decode()
    assert "CN=Anchor root" in client.get(pages[6]).content.decode()


def test_a_certificate_that_never_expires_is_shown_in_any_zone(
    bot: Bot, administrator: User, sign_in: SignIn, settings: Settings
) -> None:
    settings.TIME_ZONE = "Europe/Amsterdam"
    certificate = ClientCertificate.objects.create(bot=bot, name="bank")
    version = make_version(certificate, not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    for page in (
        reverse("admin:certificates_clientcertificate_change", args=[certificate.pk]),
        reverse("admin:certificates_certificateversion_changelist"),
        reverse("admin:certificates_certificateversion_change", args=[version.pk]),
    ):
        assert "9999-12-31T23:59:59Z" in sign_in(administrator).get(page).content.decode()


def test_many_versions_cost_no_more_queries(bot: Bot, administrator: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    certificate = make_certificate(bot, "bank")
    page = reverse("admin:certificates_clientcertificate_change", args=[certificate.pk])
    client.get(page)  # content types are asked for once a process
    with CaptureQueriesContext(connection) as one:
        client.get(page)
    for number in range(2, 8):
        make_version(certificate, number=number, status=VersionStatus.RETIRED)
    with CaptureQueriesContext(connection) as many:
        client.get(page)
    assert len(many) == len(one)


def test_nothing_is_added_changed_or_deleted(bot: Bot, administrator: User, sign_in: SignIn) -> None:
    client = sign_in(administrator)
    certificate = make_certificate(bot, "bank")
    change = reverse("admin:certificates_clientcertificate_change", args=[certificate.pk])
    delete = reverse("admin:certificates_clientcertificate_delete", args=[certificate.pk])
    assert client.get(reverse("admin:certificates_clientcertificate_add")).status_code == 403
    assert client.post(change, {"name": "other"}).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert ClientCertificate.objects.get().name == "bank"
